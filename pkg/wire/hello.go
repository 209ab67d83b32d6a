package wire

import (
	"crypto/hmac"
	"crypto/sha256"
	"fmt"
	"slices"
)

// ExporterLabel is the label of the TLS exporter value (RFC 8446, 7.5; no
// context, 32 bytes) that a proof is made over.
const ExporterLabel = "EXPORTER-daisy-mcast-1-proof"

// A Proof shows that a receiver knows the token's secret, on this connection
// only. It is all zero where both certificates are pinned.
type Proof [sha256.Size]byte

// NewProof returns the proof of secret over a connection's exporter value.
func NewProof(secret, exporter []byte) Proof {
	mac := hmac.New(sha256.New, secret)
	mac.Write(exporter)
	return Proof(mac.Sum(nil))
}

// Equal compares two proofs without telling by the time where they differ.
func (p Proof) Equal(other Proof) bool { return hmac.Equal(p[:], other[:]) }

// A Hello is the first message each way.
type Hello struct {
	// Versions are those that the side speaks, best first: 1 to MaxVersions.
	Versions []uint8
	// Proof is the receiver's. The sender's is all zero: its certificate is
	// what the receiver pins.
	Proof Proof
}

// Type returns TypeHello.
func (Hello) Type() MessageType { return TypeHello }

func (h Hello) appendBody(dst []byte) []byte {
	mustBe(len(h.Versions) > 0 && len(h.Versions) <= MaxVersions, "versions")
	dst = append(dst, byte(len(h.Versions)))
	dst = append(dst, h.Versions...)
	return append(dst, h.Proof[:]...)
}

func parseHello(d *decoder) Hello {
	var h Hello
	n := d.bounded("versions", uint64(d.u8()), MaxVersions)
	if n == 0 {
		d.failf("no version")
	}
	h.Versions = slices.Clone(d.take(int(n)))
	copy(h.Proof[:], d.take(len(h.Proof)))
	return h
}

// Negotiate returns the first of the peer's versions that we speak. The error
// wraps ErrVersion and names both sides' (fault 51).
func Negotiate(peer Hello) (uint8, error) {
	if slices.Contains(peer.Versions, Version) {
		return Version, nil
	}
	return 0, fmt.Errorf("%w: this side speaks %d, the other %d", ErrVersion, []int{Version}, peer.Versions)
}
