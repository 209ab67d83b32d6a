package transfer

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"fmt"
	"math/big"
	"time"
)

// A Pin is the SHA-256 of a certificate's public key (its
// SubjectPublicKeyInfo). It is how one side of a control connection knows the
// other; nothing else in a certificate is looked at.
type Pin [sha256.Size]byte

// String returns the pin in hexadecimal.
func (p Pin) String() string { return hex.EncodeToString(p[:]) }

// MarshalText is String, for messages that carry pins.
func (p Pin) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// UnmarshalText reads what MarshalText wrote.
func (p *Pin) UnmarshalText(text []byte) error {
	if hex.DecodedLen(len(text)) != len(p) {
		return fmt.Errorf("a pin of %d characters, not %d", len(text), hex.EncodedLen(len(p)))
	}
	if _, err := hex.Decode(p[:], text); err != nil {
		return fmt.Errorf("reading a pin: %w", err)
	}
	return nil
}

// An Identity is a key and its certificate, made for one run and never written
// anywhere.
type Identity struct {
	certificate tls.Certificate
	pin         Pin
}

// The validity of certificates is so wide that no host's clock matters
// (fault 27): who is believed is a question of the pin only.
var (
	validFrom  = time.Date(1970, 1, 1, 0, 0, 0, 0, time.UTC)
	validUntil = time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC)
)

// NewIdentity makes an ECDSA P-256 key and a certificate for it.
func NewIdentity() (*Identity, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("making a key: %w", err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), // nobody looks at it
		NotBefore:    validFrom,
		NotAfter:     validUntil,
		KeyUsage:     x509.KeyUsageDigitalSignature,
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return nil, fmt.Errorf("making a certificate: %w", err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("reading our own certificate: %w", err)
	}
	return &Identity{
		certificate: tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf},
		pin:         pinOf(leaf),
	}, nil
}

// Pin returns what the other side has to pin.
func (i *Identity) Pin() Pin { return i.pin }

func pinOf(c *x509.Certificate) Pin { return sha256.Sum256(c.RawSubjectPublicKeyInfo) }
