package imageset

import "io"

// An ahead reads from another reader in a goroutine of its own, some buffers
// ahead of who reads from it: one link of the import's pipeline. Read and Close
// are for one goroutine.
type ahead struct {
	full chan []byte   // closed by the goroutine when it ends
	free chan []byte   // never closed
	stop chan struct{} // closed by Close
	err  error         // why the goroutine ended; read after full is closed
	buf  []byte        // the buffer being read
	rest []byte        // of it, not read yet
}

func readAhead(r io.Reader, size, buffers int) *ahead {
	a := &ahead{
		full: make(chan []byte, buffers),
		free: make(chan []byte, buffers),
		stop: make(chan struct{}),
	}
	for range buffers {
		a.free <- make([]byte, size)
	}
	go a.run(r)
	return a
}

func (a *ahead) run(r io.Reader) {
	defer close(a.full)
	for {
		var buf []byte
		select {
		case <-a.stop:
			a.err = io.ErrClosedPipe
			return
		case buf = <-a.free:
		}
		n, err := a.fill(r, buf)
		a.full <- buf[:n] // has room: there are no more buffers than that
		if err != nil {
			a.err = err
			return
		}
	}
}

// fill reads until buf is at least half full, so that many short reads make one
// hand-over.
func (a *ahead) fill(r io.Reader, buf []byte) (n int, err error) {
	for n < len(buf)/2 && err == nil && !a.stopped() {
		var m int
		m, err = r.Read(buf[n:])
		n += m
	}
	return n, err
}

func (a *ahead) stopped() bool {
	select {
	case <-a.stop:
		return true
	default:
		return false
	}
}

func (a *ahead) Read(p []byte) (int, error) {
	for len(a.rest) == 0 {
		if a.buf != nil {
			a.free <- a.buf[:cap(a.buf)]
			a.buf = nil
		}
		buf, ok := <-a.full
		if !ok {
			return 0, a.err
		}
		a.buf, a.rest = buf, buf
	}
	n := copy(p, a.rest)
	a.rest = a.rest[n:]
	return n, nil
}

// Close ends the goroutine and waits for it. A Read of the underlying reader
// that hangs holds it up.
func (a *ahead) Close() error {
	close(a.stop)
	for range a.full {
	}
	return nil
}
