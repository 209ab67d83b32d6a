package pyyaml

import (
	"fmt"
	"strconv"

	"gopkg.in/yaml.v3"
)

// checkKeys refuses a key given twice, a key that Python could not hash, and
// a merge of what is no mapping.
func checkKeys(n *yaml.Node) *Error {
	first := make(map[string]*yaml.Node, len(n.Content)/2)
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := dereference(n.Content[i]), n.Content[i+1]
		line := n.Content[i].Line
		if key.Kind != yaml.ScalarNode {
			return &Error{Line: line, Problem: "a list or mapping as a key"}
		}
		id := keyIdentity(key)
		if before, ok := first[id]; ok {
			return &Error{Line: line, Problem: fmt.Sprintf(
				"key %q was given on line %d already", key.Value, before.Line)}
		}
		first[id] = n.Content[i]
		if isMerge(key) && !canMerge(value) {
			return &Error{Line: value.Line, Field: "<<", Want: "a mapping or a list of mappings",
				Got: kindOf(dereference(value)).String()}
		}
	}
	return nil
}

// keyIdentity is equal for keys that are equal in Python, where 1, 0x1, 1.0
// and yes are one key.
func keyIdentity(key *yaml.Node) string {
	switch scalarKind(key) {
	case Null:
		return "null"
	case Bool:
		if parseBool(key.Value) {
			return "number 1"
		}
		return "number 0"
	case Int:
		n, _ := parseInt(key.Value)
		return "number " + n.String()
	case Float:
		return "number " + strconv.FormatFloat(parseFloat(key.Value), 'f', -1, 64)
	case Timestamp:
		return "date " + key.Value
	}
	if isMerge(key) {
		return "merge"
	}
	return "string " + key.Value
}

func dereference(n *yaml.Node) *yaml.Node {
	if n.Kind == yaml.AliasNode {
		return n.Alias
	}
	return n
}

// isMerge reports whether key is YAML 1.1's `<<`, unquoted.
func isMerge(key *yaml.Node) bool {
	return key.Kind == yaml.ScalarNode && key.Value == "<<" && (key.Style == 0 || key.Tag == "!!merge")
}

func canMerge(value *yaml.Node) bool {
	value = dereference(value)
	switch value.Kind {
	case yaml.MappingNode:
		return true
	case yaml.SequenceNode:
		for _, item := range value.Content {
			if dereference(item).Kind != yaml.MappingNode {
				return false
			}
		}
		return true
	}
	return false
}

// An entry is one key of a mapping with its value. line is where the entry
// stands, and for a merged one where it was written.
type entry struct {
	key   string
	line  int
	value *yaml.Node
}

// entries returns a mapping's string keys in order, those merged into it last.
// A key of its own wins over a merged one, an earlier merge over a later.
func entries(n *yaml.Node) []entry {
	out := make([]entry, 0, len(n.Content)/2)
	seen := make(map[string]bool, len(n.Content)/2)
	collectEntries(n, seen, &out)
	return out
}

func collectEntries(n *yaml.Node, seen map[string]bool, out *[]entry) {
	var merged []*yaml.Node
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := dereference(n.Content[i]), n.Content[i+1]
		switch {
		case isMerge(key):
			merged = append(merged, mergeSources(value)...)
		case scalarKind(key) == Str && !seen[key.Value]:
			seen[key.Value] = true
			*out = append(*out, entry{key: key.Value, line: n.Content[i].Line, value: value})
		}
	}
	for _, source := range merged {
		collectEntries(source, seen, out)
	}
}

func mergeSources(value *yaml.Node) []*yaml.Node {
	value = dereference(value)
	if value.Kind == yaml.MappingNode {
		return []*yaml.Node{value}
	}
	sources := make([]*yaml.Node, 0, len(value.Content))
	for _, item := range value.Content {
		sources = append(sources, dereference(item))
	}
	return sources
}
