package wire

import (
	"strings"
	"testing"
	"unicode/utf8"
)

func TestReasonsHaveNames(t *testing.T) {
	for r := Finished; r <= Exhausted; r++ {
		if s := r.String(); s == "" || strings.HasPrefix(s, "reason ") {
			t.Errorf("%d: got %q", uint8(r), s)
		}
	}
	if got := Reason(200).String(); got != "reason 200" {
		t.Errorf("an unknown one: got %q", got)
	}
}

// A text of a peer reaches a terminal.
func TestTextIsFitToBeShown(t *testing.T) {
	for text, want := range map[string]string{
		"plain":                  "plain",
		"größer":                 "größer",
		"\x1b[2Jgone\r\n":        "?[2Jgone??",
		"\xff\xfe":               "??",
		"a\u202eb":               "a?b",
		strings.Repeat("ö", 200): strings.Repeat("ö", 127),
	} {
		raw := append([]byte{byte(Slow), byte(min(len(text), 255))}, text[:min(len(text), 255)]...)
		m, err := Parse(append([]byte{byte(TypeBye)}, raw...))
		if err != nil {
			t.Fatal(err)
		}
		if got := m.(Bye).Text; got != want && !strings.HasPrefix(got, want) {
			t.Errorf("received: got %q, want %q", got, want)
		}
		m, err = Parse(Append(nil, Bye{Slow, text})[lengthSize:])
		if err != nil {
			t.Fatal(err)
		}
		if got := m.(Bye).Text; got != want || !utf8.ValidString(got) || len(got) > MaxText {
			t.Errorf("sent: got %q, want %q", got, want)
		}
	}
}

func TestTextLongerThanTheFrame(t *testing.T) {
	refused(t, TypeBye, []byte{1, 255, 'x'}, "1 bytes where a field of 255 was due")
	refused(t, TypeDetach, []byte{0, 1, 2, 'x'}, "1 bytes where a field of 2 was due")
}
