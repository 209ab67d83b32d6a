package store

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
)

// Digest names content by its SHA-256, in the form "sha256:" and 64 lower-case
// hexadecimal digits (OCI image-spec, descriptor.md#digests). Only this
// algorithm is taken: registry:2 and Kolla's bundles use no other.
type Digest string

const digestPrefix = "sha256:"

// ErrDigest is returned for text that is not a Digest.
var ErrDigest = errors.New("store: not a sha256 digest")

// ParseDigest checks that s is a Digest.
func ParseDigest(s string) (Digest, error) {
	rest, ok := strings.CutPrefix(s, digestPrefix)
	if !ok || len(rest) != 2*sha256.Size || strings.Trim(rest, "0123456789abcdef") != "" {
		return "", fmt.Errorf("%w: %q", ErrDigest, clip(s))
	}
	return Digest(s), nil
}

// DigestOf returns the Digest of b.
func DigestOf(b []byte) Digest {
	sum := sha256.Sum256(b)
	return DigestOfSum(sum[:])
}

// DigestOfSum returns the Digest with the SHA-256 value sum.
func DigestOfSum(sum []byte) Digest {
	return Digest(digestPrefix + hex.EncodeToString(sum))
}

// Hex returns the 64 digits of d, or "" when d is not well formed.
func (d Digest) Hex() string {
	if _, err := ParseDigest(string(d)); err != nil {
		return ""
	}
	return string(d[len(digestPrefix):])
}

// UnmarshalText makes a Digest from the wire or a file well formed or an error.
func (d *Digest) UnmarshalText(b []byte) error {
	p, err := ParseDigest(string(b))
	if err != nil {
		return err
	}
	*d = p
	return nil
}

func clip(s string) string {
	if len(s) > 100 {
		return s[:100] + "…"
	}
	return s
}
