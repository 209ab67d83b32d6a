package progress

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// write is the writing goroutine. It ends after Close.
func (d *Display) write() {
	defer close(d.stopped)
	ticker := time.NewTicker(drawInterval)
	defer ticker.Stop()
	for {
		select {
		case <-d.wake:
			d.flush()
		case <-ticker.C:
			d.Tick(d.now())
		case <-d.stop:
			d.flush()
			return
		}
	}
}

// flush writes what is pending, once. What a writer refuses is lost: trying
// again would loop for as long as the disk is full, and stopping the run for it
// would be worse (fault 76).
func (d *Display) flush() {
	text, isGone := d.take()
	if len(text) == 0 || isGone {
		return
	}
	if d.isTorn {
		text = append([]byte("\n"), text...)
	}
	n, err := d.out.Write(text)
	d.isTorn = err != nil && (d.isTorn && n == 0 || n > 0 && text[min(n, len(text))-1] != '\n')
	if err != nil {
		d.fail(err)
	}
}

// take empties pending. isGone is whether nobody will ever read it.
func (d *Display) take() (text []byte, isGone bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	text = bytes.Clone(d.pending.Bytes())
	d.pending.Reset()
	return text, isForGood(d.err)
}

func (d *Display) fail(err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.err == nil || isForGood(err) {
		d.err = fmt.Errorf("showing progress: %w", err)
	}
}

// isForGood reports whether a writer that returned err will never take anything
// again, as a full disk may.
func isForGood(err error) bool {
	return errors.Is(err, syscall.EPIPE) || errors.Is(err, fs.ErrClosed)
}

// HoldBrokenPipe keeps the process alive when nobody reads its standard output
// or standard error any more: without it the Go runtime ends the process by
// SIGPIPE at the next write (fault 76). The programs that we start still get the
// signal's default. release undoes it.
func HoldBrokenPipe() (release func()) {
	broken := make(chan os.Signal, 1) // never read: a full channel drops signals
	signal.Notify(broken, syscall.SIGPIPE)
	return func() { signal.Stop(broken) }
}

// A logOnly shows the log and nothing else.
type logOnly struct{}

func (logOnly) event(out *bytes.Buffer, e Event) {
	if e.Kind == Log {
		out.WriteString(cleanLog(e.Message) + "\n")
	}
}

func (logOnly) tick(*bytes.Buffer, time.Time) {}

func (logOnly) close(*bytes.Buffer, time.Time) {}
