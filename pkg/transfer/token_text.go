package transfer

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"strings"
)

// A Secret is what a token proves. It prints as "***".
type Secret [16]byte

// Format hides the secret, whatever the verb (invariant I8).
func (Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "***") }

// MarshalText hides the secret, in JSON too.
func (Secret) MarshalText() ([]byte, error) { return []byte("***"), nil }

// A Token is all that a receiver has to be given by hand: where the sender is,
// how to know it, and a secret to be known by. Whoever has it can read what is
// sent.
type Token struct {
	Sender netip.AddrPort // TCP; IPv4
	Pin    Pin            // the sender's
	Secret Secret
}

// The text of a token is base64url without padding of: version (1 byte), address
// (4), port (2), pin (32), secret (16), and the first 4 bytes of the SHA-256 of
// all that, so that a typing error is told from a wrong sender.
const (
	tokenVersion  = 1
	tokenBody     = 1 + 4 + 2 + len(Pin{}) + len(Secret{})
	tokenChecksum = 4
)

// ErrToken is wrapped by errors about a text that is no token.
var ErrToken = errors.New("transfer: not a token")

// NewToken returns a token with a fresh secret.
func NewToken(sender netip.AddrPort, pin Pin) (Token, error) {
	t := Token{Sender: sender, Pin: pin}
	if !sender.Addr().Is4() || sender.Port() == 0 {
		return Token{}, fmt.Errorf("%w: sender %v", ErrToken, sender)
	}
	if _, err := rand.Read(t.Secret[:]); err != nil {
		return Token{}, fmt.Errorf("making a secret: %w", err)
	}
	return t, nil
}

// Text returns the token as it is handed on: 79 characters. It is a secret.
func (t Token) Text() string {
	b := make([]byte, 0, tokenBody+tokenChecksum)
	b = append(b, tokenVersion)
	addr := t.Sender.Addr().As4()
	b = append(b, addr[:]...)
	b = binary.BigEndian.AppendUint16(b, t.Sender.Port())
	b = append(b, t.Pin[:]...)
	b = append(b, t.Secret[:]...)
	sum := sha256.Sum256(b)
	return base64.RawURLEncoding.EncodeToString(append(b, sum[:tokenChecksum]...))
}

// ParseToken reads what Text made; space around it does not matter. Its errors do
// not repeat the text.
func ParseToken(text string) (Token, error) {
	b, err := base64.RawURLEncoding.Strict().DecodeString(strings.TrimSpace(text))
	if err != nil {
		return Token{}, fmt.Errorf("%w: it has characters that no token has", ErrToken)
	}
	if len(b) == 0 {
		return Token{}, fmt.Errorf("%w: there is nothing", ErrToken)
	}
	if b[0] != tokenVersion {
		return Token{}, fmt.Errorf("%w: this program reads version %d", ErrToken, tokenVersion)
	}
	if len(b) != tokenBody+tokenChecksum {
		return Token{}, fmt.Errorf("%w: it is cut or has too much", ErrToken)
	}
	body, check := b[:tokenBody], b[tokenBody:]
	if sum := sha256.Sum256(body); string(sum[:tokenChecksum]) != string(check) {
		return Token{}, fmt.Errorf("%w: a character in it is wrong", ErrToken)
	}
	var t Token
	t.Sender = netip.AddrPortFrom(netip.AddrFrom4([4]byte(body[1:5])), binary.BigEndian.Uint16(body[5:7]))
	if t.Sender.Port() == 0 {
		return Token{}, fmt.Errorf("%w: no port", ErrToken)
	}
	copy(t.Pin[:], body[7:])
	copy(t.Secret[:], body[7+len(t.Pin):])
	return t, nil
}
