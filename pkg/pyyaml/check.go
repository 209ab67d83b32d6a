package pyyaml

import (
	"fmt"

	"gopkg.in/yaml.v3"
)

// checkNodes refuses what PyYAML would refuse after parsing, keys given twice,
// and what would be too much once its aliases are expanded.
func checkNodes(doc *yaml.Node) *Error {
	c := checker{sizes: make(map[*yaml.Node]extent)}
	_, e := c.check(doc.Content[0])
	return e
}

// checker walks each node once. An anchored node's extent is kept for its
// aliases; extent{} while the walk is still inside of it.
type checker struct {
	sizes map[*yaml.Node]extent
}

// extent is how much a node is with its aliases expanded.
type extent struct{ nodes, depth int }

func (c *checker) check(n *yaml.Node) (extent, *Error) {
	if n.Kind == yaml.AliasNode {
		return c.alias(n)
	}
	if e := checkTag(n); e != nil {
		return extent{}, e
	}
	if n.Anchor != "" {
		c.sizes[n] = extent{}
	}
	sum := extent{nodes: 1, depth: 1}
	for i, child := range n.Content {
		if isMerge(child) && (n.Kind != yaml.MappingNode || i%2 == 1) {
			return extent{}, &Error{Line: child.Line, Problem: "a lone << ; put it in quotes"}
		}
		x, e := c.check(child)
		if e != nil {
			return extent{}, e
		}
		sum.nodes += x.nodes
		sum.depth = max(sum.depth, x.depth+1)
	}
	if e := bounded(n, sum); e != nil {
		return extent{}, e
	}
	if n.Anchor != "" {
		c.sizes[n] = sum
	}
	if n.Kind == yaml.MappingNode {
		return sum, checkKeys(n)
	}
	return sum, nil
}

func (c *checker) alias(n *yaml.Node) (extent, *Error) {
	x := c.sizes[n.Alias]
	if x.nodes == 0 {
		return x, &Error{Line: n.Line, Problem: "an alias inside of what it stands for"}
	}
	return x, nil
}

func bounded(n *yaml.Node, x extent) *Error {
	switch {
	case x.depth > maxDepth:
		return &Error{Line: n.Line, Problem: fmt.Sprintf("nested deeper than %d", maxDepth)}
	case x.nodes > maxNodes:
		return &Error{Line: n.Line, Problem: fmt.Sprintf("more than %d values with aliases expanded", maxNodes)}
	}
	return nil
}

// checkTag refuses what safe_load has no constructor for, or whose
// constructor would raise.
func checkTag(n *yaml.Node) *Error {
	refuse := func(problem string) *Error { return &Error{Line: n.Line, Problem: problem} }
	if n.Kind == yaml.ScalarNode && !isTagged(n) {
		if n.Style == 0 && n.Value == "=" {
			return refuse("a lone = ; put it in quotes")
		}
		if scalarKind(n) == Int {
			if _, ok := parseInt(n.Value); !ok {
				return refuse("looks like an integer and is none; put it in quotes")
			}
		}
		return nil
	}
	if !isTagged(n) {
		return nil
	}
	switch {
	case n.Kind == yaml.MappingNode && n.Tag == "!!map",
		n.Kind == yaml.SequenceNode && n.Tag == "!!seq":
		return nil
	case n.Kind == yaml.ScalarNode && fitsTag(n):
		return nil
	}
	// The tag's text is left out: an unquoted password may begin with a "!".
	return refuse("a tag that is not supported here; a value that begins with ! needs quotes")
}

func isTagged(n *yaml.Node) bool { return n.Style&yaml.TaggedStyle != 0 }

// fitsTag reports whether a scalar's text can be what its tag says.
func fitsTag(n *yaml.Node) bool {
	switch n.Tag {
	case "!!str", "!!null", "!!binary":
		return true
	case "!!bool":
		return compiled().boolean.MatchString(n.Value)
	case "!!int":
		if !compiled().integer.MatchString(n.Value) {
			return false
		}
		_, ok := parseInt(n.Value)
		return ok
	case "!!float":
		return compiled().float.MatchString(n.Value) || compiled().integer.MatchString(n.Value)
	case "!!timestamp":
		return compiled().timestamp.MatchString(n.Value)
	}
	return false
}

// scalarKind returns the kind of a scalar that checkTag has passed.
func scalarKind(n *yaml.Node) Kind {
	if !isTagged(n) {
		if n.Style != 0 {
			return Str
		}
		return plainKind(n.Value)
	}
	switch n.Tag {
	case "!!null":
		return Null
	case "!!bool":
		return Bool
	case "!!int":
		return Int
	case "!!float":
		return Float
	case "!!timestamp":
		return Timestamp
	case "!!binary":
		return Binary
	}
	return Str
}
