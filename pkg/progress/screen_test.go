package progress

import (
	"fmt"
	"strings"
	"testing"
)

// A screen is a terminal as far as the live view needs one. It fails the test
// for any other sequence, for a line that wraps and for text that goes below
// the bottom while the view believes that it has not.
type screen struct {
	t        *testing.T
	width    int
	lines    [][]rune
	row, col int
}

func newScreen(t *testing.T, width int) *screen {
	return &screen{t: t, width: width, lines: make([][]rune, 1)}
}

func (s *screen) Write(p []byte) (int, error) {
	s.t.Helper()
	text := string(p)
	for text != "" {
		if rest, ok := strings.CutPrefix(text, "\x1b["); ok {
			i := strings.IndexFunc(rest, func(r rune) bool { return r >= '@' })
			s.sequence(rest[i], rest[:i])
			text = rest[i+1:]
			continue
		}
		r := []rune(text)[0]
		s.put(r)
		text = text[len(string(r)):]
	}
	return len(p), nil
}

func (s *screen) sequence(final byte, parameter string) {
	s.t.Helper()
	switch final {
	case 'm':
	case 'A':
		var n int
		fmt.Sscan(parameter, &n)
		if s.row -= n; s.row < 0 {
			s.t.Fatal("the cursor left the screen")
		}
	case 'K':
		s.lines[s.row] = s.lines[s.row][:min(s.col, len(s.lines[s.row]))]
	case 'J':
		s.lines = s.lines[:s.row+1]
		s.lines[s.row] = s.lines[s.row][:min(s.col, len(s.lines[s.row]))]
	default:
		s.t.Fatalf("an unknown sequence: %s%c", parameter, final)
	}
}

func (s *screen) put(r rune) {
	s.t.Helper()
	switch {
	case r == '\r':
		s.col = 0
		return
	case r == '\n':
		s.row, s.col = s.row+1, 0
		if s.row == len(s.lines) {
			s.lines = append(s.lines, nil)
		}
		return
	case r < ' ' || r == 0x7f || r == 0x9b:
		s.t.Fatalf("a control character: %q", r)
	case s.col >= s.width:
		s.t.Fatalf("a line wraps: %q", string(s.lines[s.row]))
	}
	line := s.lines[s.row]
	for len(line) <= s.col {
		line = append(line, ' ')
	}
	line[s.col] = r
	s.lines[s.row] = line
	s.col++
}

func (s *screen) String() string {
	var b strings.Builder
	for _, line := range s.lines {
		b.WriteString("| " + strings.TrimRight(string(line), " ") + "\n")
	}
	return b.String()
}
