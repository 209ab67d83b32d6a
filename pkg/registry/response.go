package registry

import (
	"io"
	"net/http"
	"time"
)

// A response counts what is sent, gives every writeChunk bytes their own
// deadline and keeps the way open for sendfile. One goroutine uses it.
type response struct {
	http.ResponseWriter
	control *http.ResponseController
	status  int   // 0 until the header is written
	sent    int64 // bytes of body
	cut     bool  // the body ends before its Content-Length
	fault   error // what ended ReadFrom
}

func newResponse(w http.ResponseWriter) *response {
	return &response{ResponseWriter: w, control: http.NewResponseController(w)}
}

// Unwrap is for http.ResponseController.
func (w *response) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func (w *response) wroteHeader() bool { return w.status != 0 }

// isCut reports whether a part of the body is missing.
func (w *response) isCut() bool { return w.cut }

func (w *response) WriteHeader(status int) {
	if w.status == 0 {
		w.status = status
	}
	w.extend()
	w.ResponseWriter.WriteHeader(status)
}

func (w *response) Write(p []byte) (int, error) {
	if w.status == 0 {
		w.WriteHeader(http.StatusOK)
	}
	w.extend()
	n, err := w.ResponseWriter.Write(p)
	w.sent += int64(n)
	return n, err
}

// ReadFrom sends src in chunks. net/http hands a file behind one LimitedReader
// to sendfile, so each chunk is just that.
func (w *response) ReadFrom(src io.Reader) (int64, error) {
	if w.status == 0 {
		w.WriteHeader(http.StatusOK)
	}
	whole, ok := src.(*io.LimitedReader)
	if !ok {
		whole = &io.LimitedReader{R: src, N: 1<<63 - 1}
	}
	var total int64
	for whole.N > 0 {
		w.extend()
		chunk := &io.LimitedReader{R: whole.R, N: min(whole.N, writeChunk)}
		n, err := io.Copy(w.ResponseWriter, chunk)
		whole.N -= n
		total += n
		w.sent += n
		if err != nil || chunk.N > 0 {
			w.fault = err
			return total, err
		}
	}
	return total, nil
}

// extend gives the next chunk its time. Writers that know no deadline (tests)
// go without.
func (w *response) extend() {
	_ = w.control.SetWriteDeadline(time.Now().Add(writeStall))
}

// limitBody keeps a client that sends a body nobody wants from holding the
// connection.
func (w *response) limitBody() {
	_ = w.control.SetReadDeadline(time.Now().Add(readHeaderTimeout))
}
