package remote

import (
	"bufio"
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
)

const (
	// noiseBytes bounds what banners and start files may print before a mark.
	noiseBytes = 1 << 20
	// lineBytes bounds a line with a mark: file names, one message of the shell.
	lineBytes = 8 << 10
)

// errNoise is returned when a host prints without end and never our mark.
var errNoise = errors.New("too much output that is not ours")

// A marks reads the lines of the scripts among whatever else a login prints.
type marks struct {
	first, second string        // the two words
	r             *bufio.Reader // of nothing until it is reset to a stream
	skipped       int           // bytes of noise, <= noiseBytes
	noise         string        // the last line of it
	heard         func()        // called for each line; may be nil
}

func newMarks() *marks {
	var words [16]byte
	_, _ = rand.Read(words[:]) // never fails
	return &marks{
		first:  hex.EncodeToString(words[:8]),
		second: hex.EncodeToString(words[8:]),
		r:      bufio.NewReaderSize(nil, lineBytes),
	}
}

// mark begins each line of ours.
func (m *marks) mark() string { return m.first + m.second + " " }

// prompt is sudo's.
func (m *marks) prompt() string { return m.second + m.first }

// next returns the words of the next line of ours: what it is (never empty)
// and the rest, not split. At the end of the stream the error is io.EOF.
func (m *marks) next() (kind, rest string, err error) {
	for {
		line, err := m.r.ReadSlice('\n')
		if m.heard != nil {
			m.heard()
		}
		if text, ours := bytes.CutPrefix(line, []byte(m.mark())); ours && err == nil {
			kind, rest, _ = strings.Cut(strings.TrimSpace(string(text)), " ")
			return kind, rest, nil
		}
		m.skip(line)
		switch {
		case err != nil && !errors.Is(err, bufio.ErrBufferFull):
			return "", "", err
		case m.skipped > noiseBytes:
			return "", "", fmt.Errorf("%w: %d bytes", errNoise, m.skipped)
		}
	}
}

func (m *marks) skip(line []byte) {
	m.skipped += len(line)
	if clean := Sanitize(string(line)); clean != "" {
		m.noise = lastLine(clean)
	}
}
