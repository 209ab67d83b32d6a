package remote

import (
	"fmt"
	"strings"
	"testing"
)

func TestTailKeepsTheEnd(t *testing.T) {
	var tail Tail
	for i := range 5000 {
		fmt.Fprintf(&tail, "line %d\n", i)
	}
	got := tail.String()
	if len(got) > tailBytes || !strings.HasSuffix(got, "line 4998\nline 4999") {
		t.Errorf("got %d bytes that end in %q", len(got), lastLine(got))
	}
	big := strings.Repeat("x", 10*tailBytes)
	if n, err := tail.Write([]byte(big)); n != len(big) || err != nil {
		t.Errorf("got %d and %v", n, err)
	}
	if got := tail.String(); got != big[:tailBytes] {
		t.Errorf("got %d bytes", len(got))
	}
}

func TestSanitize(t *testing.T) {
	tests := []struct{ text, want string }{
		{"plain\n", "plain"},
		{"\x1b[31mred\x1b[0m\r\n\r\n  \tblank \n", "[31mred[0m\nblank"},
		{"\x1b]0;title\x07a\x9b2Jb\u202ec\u200bd\xff", "]0;titlea2Jbcd"},
		{"Übung – 漢字", "Übung – 漢字"},
	}
	for _, tt := range tests {
		if got := Sanitize(tt.text); got != tt.want {
			t.Errorf("%q: got %q, want %q", tt.text, got, tt.want)
		}
	}
}

func closed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

func TestTailExpect(t *testing.T) {
	var tail Tail
	write := func(s string) { _, _ = tail.Write([]byte(s)) }
	write("noise prom")
	once, twice := tail.Expect("prompt", 1), tail.Expect("prompt", 2)
	if closed(once) {
		t.Fatal("half a prompt was taken for one")
	}
	write("pt: ")
	if !closed(once) || closed(twice) {
		t.Errorf("after one prompt: got %v and %v", closed(once), closed(twice))
	}
	write(strings.Repeat("-", 3*tailBytes) + "pro")
	write("mpt")
	if !closed(twice) {
		t.Error("the second prompt was missed")
	}
	if !closed(tail.Expect("prompt", 1)) {
		t.Error("a prompt that had come was missed")
	}
}
