package pyyaml

import (
	"fmt"
	"io"
	"log/slog"
)

const redacted = "***"

// A Secret is a password. Printed, formatted, logged or marshalled in any way
// it is ***; only Reveal gives the text. The zero value is "no password".
type Secret struct {
	text string
}

// NewSecret keeps text from being shown.
func NewSecret(text string) Secret { return Secret{text} }

// Reveal returns the password itself.
func (s Secret) Reveal() string { return s.text }

// IsZero reports whether there is no password.
func (s Secret) IsZero() bool { return s.text == "" }

func (s Secret) String() string { return redacted }

// GoString is for %#v.
func (s Secret) GoString() string { return redacted }

// Format keeps the text from every verb.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, redacted) }

// MarshalText is for encoders of any kind.
func (s Secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// MarshalJSON is for encoding/json.
func (s Secret) MarshalJSON() ([]byte, error) { return []byte(`"` + redacted + `"`), nil }

// LogValue is for log/slog.
func (s Secret) LogValue() slog.Value { return slog.StringValue(redacted) }
