package pyyaml

import (
	"fmt"

	"gopkg.in/yaml.v3"
)

// A Node is one value of a document. A nil *Node is an absent field.
type Node struct {
	doc   *Document
	raw   *yaml.Node // never an alias
	line  int
	field string
}

func (d *Document) node(raw *yaml.Node, field string) *Node {
	// An alias keeps its own line: that is where the value is used.
	return &Node{doc: d, raw: dereference(raw), line: raw.Line, field: field}
}

// Kind returns what PyYAML would make of the value; Null for a nil node.
func (n *Node) Kind() Kind {
	if n == nil {
		return Null
	}
	return kindOf(n.raw)
}

func kindOf(raw *yaml.Node) Kind {
	switch raw.Kind {
	case yaml.MappingNode:
		return Mapping
	case yaml.SequenceNode:
		return Sequence
	}
	return scalarKind(raw)
}

// IsNull reports whether the field is absent, empty or null.
func (n *Node) IsNull() bool { return n.Kind() == Null }

// Line returns the line of the value; 0 for a nil node.
func (n *Node) Line() int {
	if n == nil {
		return 0
	}
	return n.line
}

// Field returns the way to the value, such as hosts[2].roles[0].
func (n *Node) Field() string {
	if n == nil {
		return ""
	}
	return n.field
}

// Text returns a string. Anything else is reported.
func (n *Node) Text() (string, bool) {
	if !n.is(Str) {
		return "", false
	}
	return n.raw.Value, true
}

// Secret returns a string that is not to be shown. Anything else is reported.
func (n *Node) Secret() (Secret, bool) {
	text, ok := n.Text()
	return NewSecret(text), ok
}

// Int returns an integer of 64 bits. Anything else is reported, booleans too.
func (n *Node) Int() (int64, bool) {
	if !n.is(Int) {
		return 0, false
	}
	i, ok := parseInt(n.raw.Value)
	if !ok || !i.IsInt64() {
		n.Want("an integer", "one too large")
		return 0, false
	}
	return i.Int64(), true
}

// Bool returns a boolean. Anything else is reported.
func (n *Node) Bool() (value, ok bool) {
	if !n.is(Bool) {
		return false, false
	}
	return parseBool(n.raw.Value), true
}

// Items returns what a list holds. Anything else is reported.
func (n *Node) Items() []*Node {
	if !n.is(Sequence) {
		return nil
	}
	items := make([]*Node, len(n.raw.Content))
	for i, raw := range n.raw.Content {
		items[i] = n.doc.node(raw, fmt.Sprintf("%s[%d]", n.field, i))
	}
	return items
}

// is reports whether n is of kind k, and adds an error when it is another.
func (n *Node) is(k Kind) bool {
	if n == nil {
		return false
	}
	got := n.Kind()
	if got == k {
		return true
	}
	n.Want(k.String(), n.misread(k))
	return false
}

// misread describes what n is; with a hint when quotes would make it a string.
func (n *Node) misread(want Kind) string {
	got := n.Kind()
	if want == Str && got != Null && got < Sequence {
		return got.String() + " (put it in quotes)"
	}
	return got.String()
}

// Want reports that something else is expected here. got is never the value
// itself when that could be a password.
func (n *Node) Want(want, got string) {
	if n == nil {
		return
	}
	n.doc.found.add(&Error{File: n.doc.file, Line: n.line, Field: n.field, Want: want, Got: got})
}

// Refuse reports what is wrong with the value in words of one's own.
func (n *Node) Refuse(format string, args ...any) {
	if n == nil {
		return
	}
	n.doc.found.add(&Error{File: n.doc.file, Line: n.line, Field: n.field,
		Problem: fmt.Sprintf(format, args...)})
}

// Warn adds a warning at the value.
func (n *Node) Warn(format string, args ...any) {
	if n == nil {
		return
	}
	n.doc.found.warn(Warning{File: n.doc.file, Line: n.line,
		Text: n.prefix() + fmt.Sprintf(format, args...)})
}

func (n *Node) prefix() string {
	if n.field == "" {
		return ""
	}
	return n.field + ": "
}
