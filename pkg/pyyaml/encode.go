package pyyaml

import (
	"io"

	"gopkg.in/yaml.v3"
)

// Encode writes v as YAML. Fields are named by their `yaml` tags; strings that
// a YAML 1.1 reader would take for something else are quoted.
func Encode(w io.Writer, v any) error {
	enc := yaml.NewEncoder(w)
	enc.SetIndent(2)
	if err := enc.Encode(v); err != nil {
		return err
	}
	return enc.Close()
}
