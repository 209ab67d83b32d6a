package remote

import (
	"fmt"
	"log/slog"
)

// A Secret is a password. However it is printed, logged or encoded it shows as
// "***"; only Reveal gives it out. The zero value means that there is none.
type Secret struct{ text string }

// NewSecret returns text as a Secret.
func NewSecret(text string) Secret { return Secret{text} }

// Reveal returns the password.
func (s Secret) Reveal() string { return s.text }

// IsSet reports whether there is a password.
func (s Secret) IsSet() bool { return s.text != "" }

const redacted = "***"

// String returns "***", or nothing when there is no password.
func (s Secret) String() string {
	if !s.IsSet() {
		return ""
	}
	return redacted
}

// Format writes String's result whatever the verb, %#v and %x included.
func (s Secret) Format(f fmt.State, _ rune) { fmt.Fprint(f, s.String()) }

// MarshalText makes every encoder write String's result.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// LogValue makes slog write String's result.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }
