package cli

import (
	"context"
	"errors"
	"io"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestFault5InterruptedWhileWaiting: what the commands of the native protocol wait for
// before they begin may never come, and a signal ends that too.
func TestFault5InterruptedWhileWaiting(t *testing.T) {
	newPipe := func() string { // nobody opens its other end
		name := filepath.Join(t.TempDir(), "pipe")
		if err := unix.Mkfifo(name, 0o600); err != nil {
			t.Fatal(err)
		}
		return name
	}
	silent, w := io.Pipe()
	t.Cleanup(func() { w.Close() })
	_, program := openTerminal(t)
	for _, tt := range []struct {
		name string
		wait func(context.Context) error
	}{
		{"a token at the prompt", func(ctx context.Context) error {
			_, err := readToken(ctx, &streams{In: program, Err: io.Discard}, "")
			return err
		}},
		{"a token by standard input", func(ctx context.Context) error {
			_, err := readToken(ctx, &streams{In: silent}, "-")
			return err
		}},
		{"a token by a pipe", func(ctx context.Context) error {
			_, err := readToken(ctx, &streams{}, newPipe())
			return err
		}},
		{"a reader of what is received", func(ctx context.Context) error {
			_, err := openOutput(ctx, io.Discard, newPipe())
			return err
		}},
		{"a writer of what is sent", func(ctx context.Context) error {
			_, _, err := openSource(ctx, &streams{}, []string{newPipe()})
			return err
		}},
		{"a list of hosts", func(ctx context.Context) error {
			_, err := (&hostFlags{hosts: "-"}).loadList(ctx, &streams{In: silent})
			return err
		}},
	} {
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- usage(tt.wait(ctx), "") }()
		select {
		case err := <-ended:
			t.Errorf("%s: it did not wait: %v", tt.name, err)
		case <-time.After(50 * time.Millisecond): // a prompt takes the terminal's echo meanwhile
		}
		cancel()
		select {
		case err := <-ended:
			var exit *ExitError
			if !errors.As(err, &exit) || exit.Code != ExitInterrupted {
				t.Errorf("%s: %v", tt.name, err)
			}
		case <-time.After(10 * time.Second):
			t.Errorf("%s: it still waits", tt.name)
		}
	}
	if !echoes(t, program) {
		t.Error("the terminal does not echo any more")
	}
}
