package pyyaml

// A Kind is the type of a node, in YAML 1.1's words.
type Kind uint8

// The kinds that PyYAML's safe_load gives.
const (
	Null Kind = iota
	Bool
	Int
	Float
	Str
	Timestamp // a date, or a date and time
	Binary
	Sequence
	Mapping
)

// String names the kind with its article, fit for "want ..., got ...".
func (k Kind) String() string {
	switch k {
	case Null:
		return "null"
	case Bool:
		return "a boolean"
	case Int:
		return "an integer"
	case Float:
		return "a floating-point number"
	case Str:
		return "a string"
	case Timestamp:
		return "a date"
	case Binary:
		return "binary data"
	case Sequence:
		return "a list"
	case Mapping:
		return "a mapping"
	}
	return "an unknown kind"
}
