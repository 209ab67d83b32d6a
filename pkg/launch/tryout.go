package launch

import (
	"bytes"
	"context"
	"fmt"
	"net/netip"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"
)

// tryOut runs the registry that s describes beside the one that serves, on addresses
// of loopback that nobody knows, until it answers: with this program, store and
// certificate. What cannot work is found before the old one has to stop.
func (s Spec) tryOut(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, s.ReadyTimeout)
	defer cancel()
	anywhere := []netip.AddrPort{netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), 0)}
	trial := s
	trial.Listen = anywhere
	if len(s.TLSListen) > 0 {
		trial.TLSListen = anywhere
	}
	var out tailBuffer
	cmd := exec.CommandContext(ctx, s.Program, trial.args(s.StoreDir, s.certPath())...)
	cmd.Dir = "/"
	cmd.Env = []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}
	cmd.Stdout, cmd.Stderr = &out, &out
	cmd.WaitDelay = time.Second
	// It ends with its starter, and Linux takes the thread for that.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Pdeathsig: syscall.SIGKILL}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("%w: trying it out: %w", ErrNotReady, err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = cmd.Wait()
	}()
	err := s.awaitTrial(ctx, cmd.Process.Pid, ended)
	_ = cmd.Process.Kill()
	<-ended
	if err != nil {
		return fmt.Errorf("%w: it was tried out beside the old one, which goes on: %w: %s", ErrNotReady, err, out.String())
	}
	return nil
}

// awaitTrial waits until the process answers with the registry's identity.
func (s Spec) awaitTrial(ctx context.Context, pid int, ended <-chan struct{}) error {
	var seen error
	for pause := firstPause; ; pause = min(2*pause, longestPause) {
		err := s.answers(ctx, pid)
		if err == nil {
			return nil
		}
		seen = unlessCut(ctx, err, seen)
		select {
		case <-ended:
			return errEnded
		case <-ctx.Done():
			return seen
		case <-time.After(pause):
		}
	}
}

// answers asks the process for its identity, on the first address where it speaks
// plain HTTP.
func (s Spec) answers(ctx context.Context, pid int) error {
	own, err := listenersOf(pid)
	if err != nil {
		return err
	}
	if want := 1 + min(1, len(s.TLSListen)); len(own) < want { // more is for ready to see
		return fmt.Errorf("it listens on %d addresses of %d", len(own), want)
	}
	for _, a := range own {
		got, askErr := identityOf(ctx, "http://"+a.String(), nil)
		switch {
		case askErr != nil:
			err = askErr
		case got != s.Identity:
			return fmt.Errorf("%w: %q, not %q", errIdentity, got, s.Identity)
		default:
			return nil
		}
	}
	return err
}

// A tailBuffer keeps the end of what is written to it. Safe for concurrent use.
type tailBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

// Write implements io.Writer.
func (t *tailBuffer) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	n, err := t.buf.Write(p)
	if over := t.buf.Len() - logTail; over > 0 {
		t.buf.Next(over)
	}
	return n, err
}

// String returns what was kept, in words when that is nothing.
func (t *tailBuffer) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	if text := strings.TrimSpace(t.buf.String()); text != "" {
		return text
	}
	return "it wrote nothing"
}
