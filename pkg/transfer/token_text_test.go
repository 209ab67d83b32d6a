package transfer

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"
)

func testToken(t testing.TB) Token {
	t.Helper()
	tok, err := NewToken(netip.MustParseAddrPort("10.20.11.2:18384"), Pin{1, 2, 3})
	if err != nil {
		t.Fatal(err)
	}
	return tok
}

func TestTokenRoundTrip(t *testing.T) {
	tok := testToken(t)
	text := tok.Text()
	if len(text) != 79 {
		t.Errorf("the text has %d characters, its comment says 79", len(text))
	}
	got, err := ParseToken("  " + text + "\r\n")
	if err != nil || got != tok {
		t.Errorf("got %v, %v; want %v", got, err, tok)
	}
}

func TestTokenRefusesEveryWrongCharacter(t *testing.T) {
	text := testToken(t).Text()
	for i := range text {
		other := byte('A')
		if text[i] == other {
			other = 'B'
		}
		wrong := text[:i] + string(other) + text[i+1:]
		if _, err := ParseToken(wrong); !errors.Is(err, ErrToken) {
			t.Errorf("character %d wrong: %v", i, err)
		}
	}
	for _, wrong := range []string{"", text[:78], text + "A", "hello, world", strings.Repeat("A", 1<<16)} {
		if _, err := ParseToken(wrong); !errors.Is(err, ErrToken) {
			t.Errorf("%.20q: %v", wrong, err)
		}
	}
}

// TestFault77TokenSecretIsNotPrinted: only Text gives the secret away.
func TestFault77TokenSecretIsNotPrinted(t *testing.T) {
	tok := testToken(t)
	for _, format := range []string{"%v", "%+v", "%#v", "%s", "%d", "%x"} {
		if s := fmt.Sprintf(format, tok.Secret); s != "***" {
			t.Errorf("%s prints %s", format, s)
		}
	}
	if text, err := json.Marshal(tok.Secret); err != nil || string(text) != `"***"` {
		t.Errorf("as JSON it is %s, %v", text, err)
	}
	_, err := ParseToken(tok.Text()[:40])
	if err == nil || strings.Contains(err.Error(), tok.Text()[:10]) {
		t.Errorf("the error repeats the text: %v", err)
	}
}

func FuzzParseToken(f *testing.F) {
	f.Add(testToken(f).Text())
	f.Add("AQ")
	f.Fuzz(func(t *testing.T, text string) {
		tok, err := ParseToken(text)
		if err == nil && tok.Text() != strings.TrimSpace(text) {
			t.Errorf("%q reads as %q", text, tok.Text())
		}
	})
}
