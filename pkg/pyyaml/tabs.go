package pyyaml

import (
	"bytes"
	"strings"
	"unicode/utf8"

	"gopkg.in/yaml.v3"
)

// checkTabs refuses a tab that is no part of a quoted or block scalar or of a
// comment. yaml.v3 takes some of them for blanks, PyYAML none. A document that
// is in braces as a whole is let off: it is JSON, whose blanks they are.
func checkTabs(data []byte, root *yaml.Node) *Error {
	if bytes.IndexByte(data, '\t') < 0 || root.Style&yaml.FlowStyle != 0 || hasOddBreaks(data) {
		return nil
	}
	c := tabChecker{data: data, lines: lineStarts(data)}
	c.skipScalars(root)
	for i, line := 0, 1; i < len(data); i++ {
		if end, ok := c.skip[i]; ok {
			line += bytes.Count(data[i:end], []byte("\n"))
			i = end - 1
			continue
		}
		switch {
		case data[i] == '\n':
			line++
		case data[i] == '#' && (i == 0 || isBlank(data[i-1])):
			i += lineLength(data[i:]) - 1
		case data[i] == '\t':
			return &Error{Line: line, Problem: "a tab outside of quotes; YAML wants spaces"}
		}
	}
	return nil
}

// hasOddBreaks reports whether lines end by more than LF or CR LF, which
// lineStarts does not count.
func hasOddBreaks(data []byte) bool {
	return bytes.Count(data, []byte("\r")) != bytes.Count(data, []byte("\r\n")) ||
		bytes.ContainsAny(data, "\u0085\u2028\u2029")
}

type tabChecker struct {
	data  []byte
	lines []int       // offset of each line
	skip  map[int]int // from a scalar's first byte to the one after it
}

func lineStarts(data []byte) []int {
	starts := []int{0}
	for i, b := range data {
		if b == '\n' {
			starts = append(starts, i+1)
		}
	}
	return starts
}

// lineLength is that of the first line, without its end.
func lineLength(data []byte) int {
	if i := bytes.IndexByte(data, '\n'); i >= 0 {
		return i
	}
	return len(data)
}

// skipScalars notes where the scalars are in which a tab is a character.
func (c *tabChecker) skipScalars(n *yaml.Node) {
	if c.skip == nil {
		c.skip = make(map[int]int)
	}
	for _, child := range n.Content {
		c.skipScalars(child)
	}
	if n.Kind != yaml.ScalarNode || n.Line < 1 || n.Line > len(c.lines) {
		return
	}
	start := c.offset(n)
	switch {
	case n.Style&yaml.SingleQuotedStyle != 0:
		c.skipQuoted(start, '\'')
	case n.Style&yaml.DoubleQuotedStyle != 0:
		c.skipQuoted(start, '"')
	case n.Style&(yaml.LiteralStyle|yaml.FoldedStyle) != 0 && strings.Trim(n.Value, "\n") != "":
		c.skipBlock(start)
	}
}

// offset turns a node's line and column, which counts characters, into bytes.
func (c *tabChecker) offset(n *yaml.Node) int {
	at := c.lines[n.Line-1]
	for col := 1; col < n.Column && at < len(c.data); col++ {
		_, size := utf8.DecodeRune(c.data[at:])
		at += size
	}
	return at
}

// skipQuoted finds the closing quote; a tag or an anchor may stand before the
// opening one.
func (c *tabChecker) skipQuoted(start int, quote byte) {
	i := bytes.IndexByte(c.data[start:], quote)
	if i < 0 {
		return
	}
	open := start + i
	for end := open + 1; end < len(c.data); end++ {
		switch {
		case c.data[end] == '\\' && quote == '"':
			end++
		case c.data[end] != quote:
		case quote == '\'' && end+1 < len(c.data) && c.data[end+1] == quote:
			end++
		default:
			c.skip[open] = end + 1
			return
		}
	}
}

// skipBlock finds the first line that is indented less than the block's first.
func (c *tabChecker) skipBlock(start int) {
	first := start + lineLength(c.data[start:]) + 1
	indent, end := -1, first
	for end < len(c.data) {
		line := c.data[end : end+lineLength(c.data[end:])]
		text := bytes.TrimLeft(line, " ")
		isEmpty := len(bytes.TrimRight(text, "\r")) == 0
		switch {
		case isEmpty:
		case indent < 0:
			indent = len(line) - len(text)
		case len(line)-len(text) < indent:
			c.skip[first] = end
			return
		}
		end += len(line) + 1
	}
	if first < len(c.data) {
		c.skip[first] = len(c.data)
	}
}
