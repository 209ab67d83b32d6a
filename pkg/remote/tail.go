package remote

import (
	"bytes"
	"strings"
	"sync"
	"unicode"
)

// tailBytes is how much of standard error is kept: enough for ssh's longest
// complaint (a changed host key) with a traceback of ours after it.
const tailBytes = 8 << 10

// A Tail is an io.Writer that keeps the end of what is written to it and can
// tell when a text goes by. It is safe for concurrent use.
type Tail struct {
	mu     sync.Mutex
	buf    []byte // len(buf) <= 2*tailBytes
	watch  []*watch
	hidden string
}

// A watch waits until a text has gone by some times.
type watch struct {
	text string
	left int           // times still to come, > 0
	from int           // the text is looked for in buf[from:]
	seen chan struct{} // closed by Tail when left is 0
}

// Write keeps p; it never fails.
func (t *Tail) Write(p []byte) (int, error) {
	n := len(p)
	t.mu.Lock()
	defer t.mu.Unlock()
	for len(p) > 0 {
		chunk := p[:min(len(p), tailBytes/2)]
		p = p[len(chunk):]
		t.buf = append(t.buf, chunk...)
		t.tell()
		if cut := len(t.buf) - tailBytes; cut > 0 {
			t.cut(cut)
		}
	}
	return n, nil
}

func (t *Tail) tell() {
	waiting := t.watch[:0]
	for _, w := range t.watch {
		if !w.look(t.buf) {
			waiting = append(waiting, w)
		}
	}
	t.watch = waiting
}

// look reports whether the watch is over.
func (w *watch) look(buf []byte) bool {
	for {
		i := bytes.Index(buf[w.from:], []byte(w.text))
		if i < 0 {
			return false
		}
		w.from += i + len(w.text)
		if w.left--; w.left == 0 {
			close(w.seen)
			return true
		}
	}
}

func (t *Tail) cut(n int) {
	t.buf = append(t.buf[:0], t.buf[n:]...)
	for _, w := range t.watch {
		w.from = max(0, w.from-n)
	}
}

// Expect returns a channel that is closed once text, which must be short, has
// been written the given number of times (at least one).
func (t *Tail) Expect(text string, times int) <-chan struct{} {
	t.mu.Lock()
	defer t.mu.Unlock()
	w := &watch{text: text, left: times, seen: make(chan struct{})}
	if !w.look(t.buf) {
		t.watch = append(t.watch, w)
	}
	return w.seen
}

// hide leaves text out of what String returns.
func (t *Tail) hide(text string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.hidden = text
}

// String returns what is kept, without control characters (a host must not
// drive the operator's terminal), in lines without blanks at their ends.
func (t *Tail) String() string {
	t.mu.Lock()
	raw := string(t.buf)
	if t.hidden != "" {
		raw = strings.ReplaceAll(raw, t.hidden, "")
	}
	t.mu.Unlock()
	return Sanitize(raw)
}

// Sanitize returns text without control characters other than the ends of
// lines, without bytes that are not UTF-8, and without empty lines.
func Sanitize(text string) string {
	clean := strings.Map(func(r rune) rune {
		switch {
		case r == '\n':
			return r
		case r == '\t':
			return ' '
		case r == unicode.ReplacementChar || unicode.Is(unicode.C, r):
			return -1
		}
		return r
	}, text)
	var lines []string
	for _, line := range strings.Split(clean, "\n") {
		if line = strings.TrimSpace(line); line != "" {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines, "\n")
}

// lastLine returns the last line of a sanitized text.
func lastLine(text string) string {
	return text[strings.LastIndexByte(text, '\n')+1:]
}
