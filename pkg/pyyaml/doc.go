// Package pyyaml reads one YAML document as Python's PyYAML would with
// safe_load: scalars have YAML 1.1's types. Daisy's files were written for
// that reader, so an unquoted 52:54:00:12:34:56 is a base-60 integer, `on` is
// a boolean and 0o17 is a string.
//
// [Load] and [Parse] give a [Document]. Its [Node]s are asked for what they
// should be - [Node.Text], [Node.Int], [Node.Items], [Node.Fields] -
// and what is of another type becomes an [*Error] with file, line and field,
// gathered in the document: read everything that is wanted, then ask
// [Document.Err] once. A nil *Node is a field that is absent; it answers every
// question with "no" and reports nothing.
//
// Stricter than PyYAML: a key given twice is refused, and size, depth,
// the number of nodes and the expansion of aliases are bounded (params.go).
// Not supported, and refused: the tags !!set, !!omap and !!pairs, and any tag
// that is not YAML's own.
//
// It is the only package that imports gopkg.in/yaml.v3, so that another parser
// can take its place.
package pyyaml
