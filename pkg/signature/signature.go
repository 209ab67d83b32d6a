// Package signature verifies what openssl and cosign sign, offline and with the
// standard library: a signature over a file's bytes, and cosign's signatures of
// images. Key is a public key; Key.VerifyFile and Key.VerifyImage are what it can
// prove.
//
// Taken are ECDSA keys of NIST's curves and RSA keys of 2048 bits and more, both
// over SHA-256, and Ed25519, plain or over SHA-512 (RFC 8032's Ed25519ph).
//
// # Limitations
//
// No certificates, transparency logs or keyless identities: who has the key's
// file decides.
package signature

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime/debug"

	"golang.org/x/sys/unix"
)

var (
	// ErrKey is for what is not a public key that can be used.
	ErrKey = errors.New("signature: not a usable public key")
	// ErrSignature says that the signature is not of these bytes by this key.
	ErrSignature = errors.New("signature: it is not by this key, or of other content")
)

const (
	minRSA       = 2048 // bits
	maxSignature = 16 << 10
	maxPayload   = 64 << 10
)

// A Key is a public key.
type Key struct{ public crypto.PublicKey }

// String is the key's fingerprint, of SHA-256.
func (k Key) String() string {
	raw, err := x509.MarshalPKIXPublicKey(k.public)
	if err != nil {
		return "no key"
	}
	return fmt.Sprintf("%x", sha256.Sum256(raw))
}

// ParseKey reads a public key in PEM, as cosign and openssl write it.
func ParseKey(raw []byte) (Key, error) {
	block, _ := pem.Decode(raw)
	if block == nil || block.Type != "PUBLIC KEY" {
		return Key{}, fmt.Errorf("%w: want PEM of a PUBLIC KEY", ErrKey)
	}
	public, err := x509.ParsePKIXPublicKey(block.Bytes)
	if err != nil {
		return Key{}, fmt.Errorf("%w: %w", ErrKey, err)
	}
	switch k := public.(type) {
	case *ecdsa.PublicKey, ed25519.PublicKey:
		return Key{public}, nil
	case *rsa.PublicKey:
		if k.N.BitLen() < minRSA {
			return Key{}, fmt.Errorf("%w: RSA of %d bits, at least %d are wanted", ErrKey, k.N.BitLen(), minRSA)
		}
		return Key{public}, nil
	}
	return Key{}, fmt.Errorf("%w: a key of type %T", ErrKey, public)
}

// verifySum reports whether a signature is of the content with these sums. A plain
// Ed25519 signature is not known from them: it needs the content.
func (k Key) verifySum(sum256, sum512, sig []byte) bool {
	switch public := k.public.(type) {
	case *ecdsa.PublicKey:
		return ecdsa.VerifyASN1(public, sum256, sig)
	case *rsa.PublicKey:
		return rsa.VerifyPKCS1v15(public, crypto.SHA256, sum256, sig) == nil
	case ed25519.PublicKey:
		return ed25519.VerifyWithOptions(public, sum512, sig, &ed25519.Options{Hash: crypto.SHA512}) == nil
	}
	return false
}

// Verify checks a signature over a message.
func (k Key) Verify(message, sig []byte) error {
	sum256, sum512 := sha256.Sum256(message), sha512.Sum512(message)
	public, isEd := k.public.(ed25519.PublicKey)
	if k.verifySum(sum256[:], sum512[:], sig) || isEd && ed25519.Verify(public, message, sig) {
		return nil
	}
	return ErrSignature
}

// VerifyFile checks the signature that the file <path>.sig holds, in base64 as
// cosign sign-blob writes it or as bytes as openssl does, over the file at path. It
// returns the file's SHA-512, so that who reads it next can prove that it is still
// the same. The error wraps ErrSignature, or fs.ErrNotExist when there is no
// signature.
func (k Key) VerifyFile(ctx context.Context, path string) (sum512 []byte, err error) {
	sig, err := readSignature(path + ".sig")
	if err != nil {
		return nil, err
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	h256, h512 := sha256.New(), sha512.New()
	if err := copySums(ctx, f, h256, h512); err != nil {
		return nil, fmt.Errorf("reading %s: %w", path, err)
	}
	sum512 = h512.Sum(nil)
	if k.verifySum(h256.Sum(nil), sum512, sig) {
		return sum512, nil
	}
	if public, ok := k.public.(ed25519.PublicKey); ok {
		ok, again, err := verifyMapped(f, public, sig)
		if err != nil {
			return nil, fmt.Errorf("reading %s: %w", path, err)
		}
		if ok && bytes.Equal(again, sum512) {
			return sum512, nil
		}
	}
	return nil, fmt.Errorf("%s: %w", path+".sig", ErrSignature)
}

// copySums hashes r both ways, the second beside the first: this is the time that
// a large bundle takes.
func copySums(ctx context.Context, r io.Reader, one, two io.Writer) error {
	pipe, behind := io.Pipe()
	done := make(chan error, 1)
	go func() {
		_, err := io.CopyBuffer(struct{ io.Writer }{two}, pipe, make([]byte, 1<<20))
		done <- err
	}()
	buf := make([]byte, 1<<20)
	_, err := io.CopyBuffer(io.MultiWriter(behind, one), &cancelled{ctx, r}, buf)
	behind.CloseWithError(err)
	return errors.Join(err, <-done)
}

type cancelled struct {
	ctx context.Context //nolint:containedctx // of the call that the reading is a part of
	r   io.Reader
}

func (c *cancelled) Read(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	return c.r.Read(p)
}

// verifyMapped checks a plain Ed25519 signature, for which all of the content must
// be there at once: the file is mapped, not read into memory. It returns the
// SHA-512 of what it saw.
func verifyMapped(f *os.File, public ed25519.PublicKey, sig []byte) (ok bool, sum []byte, err error) {
	info, err := f.Stat()
	if err != nil || info.Size() == 0 || int64(int(info.Size())) != info.Size() {
		return false, nil, err
	}
	content, err := unix.Mmap(int(f.Fd()), 0, int(info.Size()), unix.PROT_READ, unix.MAP_SHARED)
	if err != nil {
		return false, nil, err
	}
	defer func() { _ = unix.Munmap(content) }() // it was mapped
	// A file that gets shorter meanwhile is a fault of memory.
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if r := recover(); r != nil {
			ok, err = false, fmt.Errorf("the file changed: %v", r)
		}
	}()
	ok = ed25519.Verify(public, content, sig)
	again := sha512.Sum512(content)
	return ok, again[:], nil
}

// readSignature reads a signature's file.
func readSignature(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	raw, err := io.ReadAll(io.LimitReader(f, maxSignature+1))
	if err != nil {
		return nil, err
	}
	if len(raw) > maxSignature {
		return nil, fmt.Errorf("%s: %w: %d bytes and more", path, ErrSignature, maxSignature)
	}
	if sig, err := base64.StdEncoding.DecodeString(string(bytes.TrimSpace(raw))); err == nil {
		return sig, nil
	}
	return raw, nil
}
