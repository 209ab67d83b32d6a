package pyyaml

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"unicode/utf8"

	"gopkg.in/yaml.v3"
)

// A Document is one parsed file. It is not safe for concurrent use: reading
// from its nodes gathers what is wrong with them.
type Document struct {
	file  string
	root  *yaml.Node
	found problems
}

// Load reads and parses the file at path, at most 1 MiB. All errors but those
// of the file system are of type *Error.
func Load(path string) (*Document, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return Read(path, f)
}

// Read parses what r gives, at most 1 MiB; name stands for it in messages.
func Read(name string, r io.Reader) (*Document, error) {
	data, err := io.ReadAll(io.LimitReader(r, maxBytes+1))
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", name, err)
	}
	return Parse(name, data)
}

// Parse parses data, at most 1 MiB; name stands for it in messages.
func Parse(name string, data []byte) (*Document, error) {
	data = bytes.TrimPrefix(data, []byte("\ufeff"))
	if e := checkText(data); e != nil {
		e.File = name
		return nil, e
	}
	root, e := parseNodes(data)
	if e == nil {
		e = checkNodes(root)
	}
	if e == nil {
		e = checkTabs(data, root.Content[0])
	}
	if e != nil {
		e.File = name
		return nil, e
	}
	return &Document{file: name, root: root.Content[0]}, nil
}

// Root returns the document's outermost node.
func (d *Document) Root() *Node { return d.node(d.root, "") }

// File returns the name that Load or Parse was given.
func (d *Document) File() string { return d.file }

// Err returns everything that was found wrong so far, one line each in the
// order of the file, or nil.
func (d *Document) Err() error { return d.found.err(d.file) }

// Warnings returns what was accepted but is worth a look.
func (d *Document) Warnings() []Warning { return d.found.warnings }

// Warn adds a warning about the file as a whole.
func (d *Document) Warn(text string) { d.found.warn(Warning{File: d.file, Text: text}) }

// checkText refuses what would be costly to parse, or is no text.
func checkText(data []byte) *Error {
	if len(data) > maxBytes {
		return &Error{Problem: "larger than 1 MiB"}
	}
	marks, line := 0, 1
	for i, c := range data {
		switch {
		case c == '\n':
			line++
			marks++
		case c < ' ' && c != '\t' && c != '\r', c == 0x7f:
			return &Error{Line: line, Problem: "a control character; YAML is text"}
		case c == ',' || c == '[' || c == '{':
			marks++
		case (c == '-' || c == '?' || c == ':') && i+1 < len(data) && isBlank(data[i+1]):
			marks++
		}
	}
	if marks > maxMarks {
		return &Error{Problem: fmt.Sprintf("more than %d lines and items", maxMarks)}
	}
	if !utf8.Valid(data) {
		return &Error{Line: invalidLine(data), Problem: "not UTF-8"}
	}
	return nil
}

func isBlank(c byte) bool { return c == ' ' || c == '\t' || c == '\n' || c == '\r' }

func invalidLine(data []byte) int {
	line := 1
	for len(data) > 0 {
		r, size := utf8.DecodeRune(data)
		if r == utf8.RuneError && size == 1 {
			break
		}
		if r == '\n' {
			line++
		}
		data = data[size:]
	}
	return line
}

// parseNodes gives the only document of data.
func parseNodes(data []byte) (*yaml.Node, *Error) {
	lines := &lineReader{rest: data}
	dec := yaml.NewDecoder(lines)
	doc, err := decode(dec)
	switch {
	case errors.Is(err, io.EOF):
		return nil, &Error{Problem: "empty; want a YAML document"}
	case err != nil:
		return nil, syntaxError(data, lines.given, err)
	}
	second, err := decode(dec)
	switch {
	case errors.Is(err, io.EOF):
		return doc, nil
	case err != nil:
		return nil, syntaxError(data, lines.given, err)
	}
	return nil, &Error{Line: second.Line, Problem: "a second document; want one"}
}

// decode parses the next document. The parser's panics on odd input are
// errors here: bad input never ends the program.
func decode(dec *yaml.Decoder) (doc *yaml.Node, err error) {
	defer func() {
		if r := recover(); r != nil {
			doc, err = nil, errors.New("malformed YAML")
		}
	}()
	doc = new(yaml.Node)
	return doc, dec.Decode(doc)
}

// A lineReader gives one line a Read, so that the number of lines given tells
// how far the parser has looked.
type lineReader struct {
	rest  []byte
	given int  // lines begun
	mid   bool // the last line was given in part
}

func (r *lineReader) Read(p []byte) (int, error) {
	if len(r.rest) == 0 {
		return 0, io.EOF
	}
	line := r.rest
	if i := bytes.IndexByte(line, '\n'); i >= 0 {
		line = line[:i+1]
	}
	if !r.mid {
		r.given++
	}
	n := copy(p, line)
	r.mid = n < len(line)
	r.rest = r.rest[n:]
	return n, nil
}
