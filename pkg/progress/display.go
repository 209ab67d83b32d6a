package progress

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"golang.org/x/term"
)

// A Mode is the form in which progress is shown.
type Mode string

// The modes.
const (
	Auto  Mode = "auto"  // TTY on a terminal, else Plain
	TTY   Mode = "tty"   // a live view
	Plain Mode = "plain" // lines for people and logs
	JSON  Mode = "json"  // an object a line, for programs
	None  Mode = "none"  // nothing but the log
)

// ParseMode returns the Mode with the name s.
func ParseMode(s string) (Mode, error) {
	switch m := Mode(s); m {
	case Auto, TTY, Plain, JSON, None:
		return m, nil
	}
	return "", fmt.Errorf("progress: not a mode: %q: it is auto, tty, plain, json or none", s)
}

// A Config says how to show progress.
type Config struct {
	Mode     Mode             // default Auto
	Out      io.Writer        // default: nothing is written
	Terminal bool             // whether Out is a terminal, for Auto
	NoColor  bool             // see no-color.org
	Width    func() int       // columns of the terminal, asked for each drawing; default 80
	Now      func() time.Time // default time.Now
}

// ForFile returns the Config for f in mode, as f and the environment, read by
// getenv, have it: NO_COLOR, and TERM=dumb for what is a terminal but cannot
// move its cursor.
func ForFile(mode Mode, f *os.File, getenv func(string) string) Config {
	fd := int(f.Fd())
	return Config{
		Mode:     mode,
		Out:      f,
		Terminal: term.IsTerminal(fd) && getenv("TERM") != "dumb",
		NoColor:  getenv("NO_COLOR") != "",
		Width: func() int {
			width, _, err := term.GetSize(fd)
			if err != nil {
				return 0
			}
			return width
		},
	}
}

// A renderer turns what happens into text. It does no I/O and never asks for
// the time. Each of its methods appends to out.
type renderer interface {
	event(out *bytes.Buffer, e Event)
	tick(out *bytes.Buffer, now time.Time)
	close(out *bytes.Buffer, now time.Time)
}

// A Display is a Sink that writes. Its methods are safe for concurrent use.
//
// The methods only append to pending; a goroutine of its own writes. So a
// terminal that is stopped, a full disk or a reader that went away holds up
// nothing, and costs what does not fit into pending.
type Display struct {
	now func() time.Time

	// Used by the writing goroutine alone.
	out    io.Writer
	isTorn bool // the last line that out took is not complete

	mu       sync.Mutex // guards what follows
	renderer renderer
	pending  bytes.Buffer
	lost     int // events for which pending had no room
	isClosed bool
	err      error // the first of out

	wake    chan struct{} // holds a token when pending has something
	stop    chan struct{} // closed by Close
	stopped chan struct{} // closed by the writing goroutine at its end
}

const (
	maxPending = 1 << 20         // bytes: minutes of lines, when nobody takes them
	closeWait  = 2 * time.Second // for a writer that does not return
)

// ErrStuck is returned by Close when the writer has not come back.
var ErrStuck = errors.New("progress: the output takes nothing any more")

// New makes a Display. Close ends it.
func New(cfg Config) *Display {
	if cfg.Out == nil {
		cfg.Out = io.Discard
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	d := &Display{
		now:      cfg.Now,
		out:      cfg.Out,
		renderer: cfg.renderer(),
		wake:     make(chan struct{}, 1),
		stop:     make(chan struct{}),
		stopped:  make(chan struct{}),
	}
	go d.write()
	return d
}

func (cfg Config) renderer() renderer {
	mode := cfg.Mode
	if mode == Auto || mode == "" {
		mode = Plain
		if cfg.Terminal {
			mode = TTY
		}
	}
	switch mode {
	case TTY:
		width := cfg.Width
		if width == nil {
			width = func() int { return defaultWidth }
		}
		return &tty{width: width, color: !cfg.NoColor}
	case JSON:
		return &jsonLines{}
	case None:
		return logOnly{}
	}
	return &plain{}
}

// Event shows e. It returns at once.
func (d *Display) Event(e Event) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.isClosed {
		return
	}
	if e.Time.IsZero() {
		e.Time = d.now()
	}
	if d.pending.Len() > maxPending {
		d.lost++
		d.renderer.event(new(bytes.Buffer), e) // it still has to know
		return
	}
	if lost := d.lost; lost > 0 {
		d.lost = 0
		d.renderer.event(&d.pending, Event{Time: e.Time, Kind: Warning,
			Message: fmt.Sprintf("the output was stuck: %s not shown", plural(lost, "event"))})
	}
	d.renderer.event(&d.pending, e)
	d.rouse()
}

// Tick lets the display go on with its clocks at now. It calls Tick itself ten
// times a second; only tests need to.
func (d *Display) Tick(now time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.isClosed || d.pending.Len() > 0 {
		return // what was drawn last is not even out
	}
	d.renderer.tick(&d.pending, now)
	d.rouse()
}

// Write makes the lines of p, of a log that goes to the same place, part of the
// display: a live view moves out of their way, and in mode JSON they become
// events. It never fails, whatever becomes of them.
func (d *Display) Write(p []byte) (int, error) {
	for line := range strings.Lines(string(p)) {
		d.Event(Event{Kind: Log, Message: strings.TrimRight(line, "\r\n")})
	}
	return len(p), nil
}

// Close takes the live view off the terminal, waits until everything is
// written, though not for a writer that is stuck, and returns the first error of
// the writer. Events after Close are dropped.
func (d *Display) Close() error {
	d.mu.Lock()
	if !d.isClosed {
		d.isClosed = true
		d.renderer.close(&d.pending, d.now())
		close(d.stop)
	}
	d.mu.Unlock()
	timer := time.NewTimer(closeWait)
	defer timer.Stop()
	select {
	case <-d.stopped:
	case <-timer.C:
		return ErrStuck
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.err
}

// rouse tells the writing goroutine that there may be something to write.
func (d *Display) rouse() {
	if d.pending.Len() == 0 {
		return
	}
	select {
	case d.wake <- struct{}{}:
	default:
	}
}
