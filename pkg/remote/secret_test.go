package remote

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"
)

// Fault 77, T12.
func TestFault77SecretDoesNotShow(t *testing.T) {
	s := NewSecret("Marker-1")
	o := Options{BecomePassword: s}
	var out bytes.Buffer
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		fmt.Fprintf(&out, verb+" "+verb+" "+verb+"\n", s, &s, o)
	}
	slog.New(slog.NewTextHandler(&out, nil)).Info("x", "s", s, "o", o)
	slog.New(slog.NewJSONHandler(&out, nil)).Info("x", "s", s)
	if err := json.NewEncoder(&out).Encode(map[string]any{"s": s}); err != nil {
		t.Fatal(err)
	}
	got := out.String()
	if strings.Contains(got, "Marker") || strings.Contains(got, fmt.Sprintf("%x", "Marker")) {
		t.Errorf("it shows: %s", got)
	}
	if !strings.Contains(got, `{"s":"***"}`) {
		t.Errorf("got %s, want stars", got)
	}
	if s.Reveal() != "Marker-1" || NewSecret("").IsSet() || NewSecret("").String() != "" {
		t.Error("a secret that is none, or is lost")
	}
}
