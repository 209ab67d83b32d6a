package remote

import (
	"errors"
	"io"
	"strings"
	"testing"
)

// stream returns a marks that reads text, in which MARK stands for its mark.
func stream(text string) *marks {
	m := newMarks()
	m.r.Reset(strings.NewReader(strings.ReplaceAll(text, "MARK ", m.mark())))
	return m
}

func TestMarks(t *testing.T) {
	long := strings.Repeat("x", 3*lineBytes)
	tests := []struct{ name, text, want string }{
		{"plain", "MARK hello Linux x86_64\n", "hello|Linux x86_64"},
		{"one word", "MARK need\n", "need|"},
		{"banner", "Welcome\n\n* news\nMARK hello a\n", "hello|a"},
		{"long line", long + "\nMARK hello a\n", "hello|a"},
		{"not at the start", "prompt> MARK forged\nMARK hello a\n", "hello|a"},
		{"carriage return", "MARK hello a\r\n", "hello|a"},
		{"cut short", "MARK hello", "EOF"},
		{"nothing", "", "EOF"},
	}
	for _, tt := range tests {
		kind, rest, err := stream(tt.text).next()
		got := kind + "|" + rest
		if errors.Is(err, io.EOF) {
			got = "EOF"
		}
		if got != tt.want {
			t.Errorf("%s: got %q and %v, want %q", tt.name, got, err, tt.want)
		}
	}
}

func TestMarksLeaveTheRest(t *testing.T) {
	m := stream("MARK ready\n\x00the agent's\nbytes")
	if _, _, err := m.next(); err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(m.r); err != nil || string(got) != "\x00the agent's\nbytes" {
		t.Errorf("got %q and %v", got, err)
	}
}

func TestMarksBoundNoise(t *testing.T) {
	for _, noise := range []string{"y\n", "y"} {
		m := stream(strings.Repeat(noise, 2*noiseBytes))
		if _, _, err := m.next(); !errors.Is(err, errNoise) {
			t.Errorf("%q: got %v, want %v", noise, err, errNoise)
		}
	}
}

func TestMarksDiffer(t *testing.T) {
	a, b := newMarks(), newMarks()
	if a.mark() == b.mark() || a.prompt() == b.prompt() || strings.Contains(a.mark(), a.prompt()) {
		t.Errorf("got %q, %q, %q, %q", a.mark(), b.mark(), a.prompt(), b.prompt())
	}
}
