package launch

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"
)

// TestFault73TriedOutBeside: what cannot work is found beside the old one, which is
// never stopped.
func TestFault73TriedOutBeside(t *testing.T) {
	t.Parallel()
	for fault, want := range map[string]string{
		"dies": "the store is broken", "500": "500", "stranger": "somebody",
	} {
		t.Run(fault, func(t *testing.T) {
			t.Parallel()
			modes(t, func(b *bench) {
				old := b.start()
				b.spec.ReadyTimeout = 5 * time.Second // of which a process may take most to be there at all
				b.fault("trial " + fault)
				if err := b.startFails(); !errors.Is(err, ErrNotReady) || !strings.Contains(err.Error(), want) {
					b.Errorf("got %v, want ErrNotReady with %q", err, want)
				}
				b.wantServing(old.PID)
				b.wantAlone()
			})
		})
	}
}

// Only what takes the place of another is tried out.
func TestFirstStartIsNoTrial(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.fault("trial dies")
	b.start()
}

// What was wrong is told, not that the last look was cut short.
func TestUnlessCut(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	first, second := errors.New("500"), errors.New("another")
	if got := unlessCut(ctx, second, first); got != second {
		t.Errorf("while there is time: %v", got)
	}
	cancel()
	if got := unlessCut(ctx, ctx.Err(), first); got != first {
		t.Errorf("at the end: %v", got)
	}
	if got := unlessCut(ctx, second, nil); got != second {
		t.Errorf("the only look: %v", got)
	}
}

func TestTailBufferKeepsTheEnd(t *testing.T) {
	t.Parallel()
	var b tailBuffer
	if b.String() != "it wrote nothing" {
		t.Errorf("empty: %q", b.String())
	}
	for range 3 {
		_, _ = b.Write([]byte(strings.Repeat("x", logTail)))
	}
	_, _ = b.Write([]byte("end"))
	if got := b.String(); len(got) != logTail || !strings.HasSuffix(got, "xend") {
		t.Errorf("%d bytes, ending in %q", len(got), got[max(0, len(got)-8):])
	}
}
