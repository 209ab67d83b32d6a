package jasmine

import (
	"bytes"
	"context"
	"io"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"
)

// drainSource takes all buffers and returns their lengths and bytes.
func drainSource(s *source) (lengths []int, all []byte, ended bool) {
	for b := range s.ready {
		if len(b.data) == 0 {
			ended = true
			continue
		}
		lengths = append(lengths, len(b.data))
		all = append(all, b.data...)
		s.free <- b
	}
	return lengths, all, ended
}

func TestSourceCutsBuffers(t *testing.T) {
	const full = 4 * maxPayload
	for _, n := range []int{0, 1, full - 1, full, full + 1, 3 * full, pieceSize + full} {
		want := noise(1, n)
		for name, r := range map[string]io.Reader{
			"at once":             bytes.NewReader(want),
			"end with the bytes":  iotest.DataErrReader(bytes.NewReader(want)),
			"half of what is due": iotest.HalfReader(bytes.NewReader(want)),
		} {
			s := newSource(4)
			go s.run(t.Context(), r)
			lengths, got, ended := drainSource(s)
			if !ended || s.err != nil || !bytes.Equal(got, want) {
				t.Errorf("%d bytes, %s: got %d, ended %v, %v", n, name, len(got), ended, s.err)
			}
			for i, l := range lengths {
				if l != full && i < len(lengths)-1 {
					t.Errorf("%d bytes, %s: buffer %d has %d", n, name, i, l)
				}
			}
		}
	}
}

// A pause in the input passes on what is there; nothing passes on nothing.
func TestSourceLingers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		in, feed := io.Pipe()
		s := newSource(4)
		go s.run(ctx, in)
		synctest.Wait()
		time.Sleep(time.Hour) // virtual: no bytes, no buffer
		select {
		case b := <-s.ready:
			t.Errorf("a buffer of %d bytes without input", len(b.data))
		default:
		}
		feed.Write([]byte("ab"))
		begun := time.Now()
		b := <-s.ready
		if took := time.Since(begun); string(b.data) != "ab" || took != linger {
			t.Errorf("%q after %v, want ab after %v", b.data, took, linger)
		}
		cancel()
		feed.Close()
		for range s.ready {
		}
	})
}

func TestWaitingMeasuresLag(t *testing.T) {
	begun := time.Now()
	at := func(d time.Duration) time.Time { return begun.Add(d * time.Millisecond) }
	w := newWaiting(begun, 100*time.Millisecond)
	if w.progress(at(10), 1, 4) || w.lag(at(10)) != 0 {
		t.Error("one of four set the measure")
	}
	if _, never := w.until(0); !never {
		t.Error("a deadline before the measure")
	}
	if !w.progress(at(20), 2, 4) {
		t.Error("half did not set the measure")
	}
	if w.progress(at(30), 3, 4) {
		t.Error("the measure was set twice")
	}
	for _, tt := range []struct{ at, want time.Duration }{{30, 0}, {40, 0}, {55, 15}} {
		if got := w.lag(at(tt.at)); got != tt.want*time.Millisecond {
			t.Errorf("lag at %d ms is %v, want %d ms", tt.at, got, tt.want)
		}
	}
	if got, _ := w.until(30 * time.Millisecond); got != at(40+100-30) {
		t.Errorf("used up at %v", got.Sub(begun))
	}
	alone := newWaiting(begun, time.Second)
	if alone.progress(at(1), 0, 1) || alone.progress(at(2), 1, 1) {
		t.Error("a client alone holds up nobody")
	}
}

// countSender notes when batches leave.
type countSender struct {
	deafSender
	times []time.Time
}

func (c *countSender) Send([][][]byte) error {
	c.times = append(c.times, time.Now())
	return nil
}

func TestMaxRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		out := &countSender{}
		p := newPacedSender(out, 8e6) // a byte a microsecond
		for range 101 {
			if err := p.send(t.Context(), nil, 1000); err != nil {
				t.Fatal(err)
			}
		}
		took := out.times[100].Sub(out.times[0])
		if took < 100*time.Millisecond-paceSlack || took > 100*time.Millisecond {
			t.Errorf("100 kB took %v at 8 Mb/s", took)
		}
		time.Sleep(time.Minute) // a pause gives no credit
		for range 11 {
			p.send(t.Context(), nil, 1000)
		}
		if took := out.times[111].Sub(out.times[101]); took < 10*time.Millisecond-paceSlack {
			t.Errorf("after a pause 10 kB took %v", took)
		}
	})
}
