package pyyaml

import (
	"strings"
	"testing"
)

func TestTabsOutsideOfQuotesAreRefused(t *testing.T) {
	for _, text := range []string{
		"a: 1\nb:\tx\n", "a: 1\n-\tx\n", "a: 1\nb: x\t\n", "a: 1\nb\t: x\n", "a: 1\nb: [x,\ty]\n",
		"a: 'it''s\t'\nb: x\ty\n", "a: |1\nb: |\t\n c\n", "a: 'ü\t'\nb: 'ü'\t\n", "#\t\n\t\n",
	} {
		_, err := Parse("t.yml", []byte(text))
		if err == nil || !strings.HasPrefix(err.Error(), "t.yml:2: ") {
			t.Errorf("%q: got %v, want an error at t.yml:2", text, err)
		}
	}
}

func TestTabsThatAreCharactersAreAccepted(t *testing.T) {
	for _, text := range []string{
		"a: 'x\ty'\n", "a: \"x\t\\\"\ty\"\n", "a: 'it''s\there'\n", "a: |\n  x\ty\n\n  z\t\nb: 1\n", "a: >\n  x\ty",
		"a: 1 # x\ty\n", "#\tx\na: 1\n", "a: &x !!str 'p\tq'\n", "ü: 'x\ty'\r\nb: 1\r\n",
		"{\n\t\"a\": 1\n}\n", "a: 'one\n  two\tthree'\nb: 1\n", "a:\n  - |\n    x\ty\n  - 1\n",
	} {
		if _, err := Parse("t.yml", []byte(text)); err != nil {
			t.Errorf("%q: %v", text, err)
		}
	}
}
