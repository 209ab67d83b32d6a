package registry

import (
	"io"
	"net/http"
	"strings"
	"time"
)

// serveContent answers with content or the ranges of it that r asks for, as
// http.ServeContent does, but for two of its answers: a Range in a unit that it
// does not know is ignored (RFC 9110, section 14.2: "MUST ignore"), and 416 has the
// specification's error as its body.
func serveContent(w *response, r *http.Request, content io.ReadSeeker) error {
	if unit, _, _ := strings.Cut(r.Header.Get("Range"), "="); unit != "" && unit != "bytes" {
		r = r.Clone(r.Context())
		r.Header.Del("Range")
	}
	c := &contentWriter{response: w}
	http.ServeContent(c, r, "", time.Time{}, content)
	if !c.refused {
		return nil
	}
	w.Header().Del("X-Content-Type-Options")
	return &apiError{status: http.StatusRequestedRangeNotSatisfiable, code: "SIZE_INVALID",
		message: "no byte of the content is in that range"}
}

// A contentWriter keeps back the answer 416. All else, ReadFrom above all, is the
// response's own.
type contentWriter struct {
	*response
	refused bool
}

func (c *contentWriter) WriteHeader(status int) {
	if status == http.StatusRequestedRangeNotSatisfiable {
		c.refused = true
		return
	}
	c.response.WriteHeader(status)
}

func (c *contentWriter) Write(p []byte) (int, error) {
	if c.refused {
		return len(p), nil
	}
	return c.response.Write(p)
}
