package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"github.com/daisy-mcast/daisy-mcast/pkg/pyyaml"
)

// outputFormat is the value of -o.
type outputFormat string

// The formats that -o knows.
const (
	outputTable outputFormat = "table"
	outputJSON  outputFormat = "json"
	outputYAML  outputFormat = "yaml"
)

// String, Set and Type make it a pflag.Value.
func (o *outputFormat) String() string { return string(*o) }

// Set accepts one of the formats.
func (o *outputFormat) Set(text string) error {
	switch f := outputFormat(strings.ToLower(text)); f {
	case outputTable, outputJSON, outputYAML:
		*o = f
		return nil
	}
	return fmt.Errorf("want table, json or yaml")
}

// Type names the value in help texts.
func (o *outputFormat) Type() string { return "table|json|yaml" }

// writeDocument writes v as JSON or YAML; its fields have tags for both.
func writeDocument(w io.Writer, format outputFormat, v any) error {
	if format == outputYAML {
		return pyyaml.Encode(w, v)
	}
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}
