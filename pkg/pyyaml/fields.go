package pyyaml

// Fields are the string keys of a mapping, merge keys applied. What was asked
// for is remembered, so that Done can name the rest.
type Fields struct {
	node  *Node
	byKey map[string]int // index into list
	list  []entry
	asked map[string]bool
}

// Fields returns the fields of a mapping. Anything else is reported, and
// answers every Get with nil.
func (n *Node) Fields() *Fields {
	f := &Fields{node: n, asked: make(map[string]bool)}
	if !n.is(Mapping) {
		f.node = nil
		return f
	}
	f.list = entries(n.raw)
	f.byKey = make(map[string]int, len(f.list))
	for i, e := range f.list {
		f.byKey[e.key] = i
	}
	return f
}

// Get returns the field's value, nil when it is absent.
func (f *Fields) Get(key string) *Node {
	f.asked[key] = true
	i, ok := f.byKey[key]
	if !ok {
		return nil
	}
	return f.child(f.list[i])
}

// Keys returns the keys in the order of the file, merged ones last.
func (f *Fields) Keys() []string {
	keys := make([]string, 0, len(f.list))
	for _, e := range f.list {
		keys = append(keys, e.key)
	}
	return keys
}

// Optional is Get for fields that may be null: a null is nil too.
func (f *Fields) Optional(key string) *Node {
	n := f.Get(key)
	if n.IsNull() {
		return nil
	}
	return n
}

// Need is Get for a field that must be there; want says as what.
func (f *Fields) Need(key, want string) *Node {
	n := f.Get(key)
	if n == nil && f.node != nil {
		missing := f.node.doc.node(f.node.raw, f.path(key))
		missing.line = f.node.line
		missing.Want(want, "")
	}
	return n
}

// Done warns of each key that nobody asked for.
func (f *Fields) Done() {
	for _, e := range f.list {
		if !f.asked[e.key] {
			f.node.doc.found.warn(Warning{File: f.node.doc.file, Line: e.line,
				Text: "unknown key " + f.path(e.key) + ", ignored"})
		}
	}
}

func (f *Fields) child(e entry) *Node { return f.node.doc.node(e.value, f.path(e.key)) }

func (f *Fields) path(key string) string {
	if f.node.field == "" {
		return key
	}
	return f.node.field + "." + key
}
