package midstate

import (
	"bytes"
	"crypto/sha256"
	"encoding"
	"encoding/binary"
	"hash"
)

// BlockSize is what a state is after a multiple of, in bytes.
const BlockSize = sha256.BlockSize

// A State is what SHA-256 has come to after whole blocks: its eight words, big-endian.
type State [sha256.Size]byte

// What crypto/sha256 makes of a hash by encoding.BinaryAppender, and takes back; every
// later version of it has to take this one, says package hash. A magic, the state, the
// bytes of a block that is not full, the number of all bytes.
const (
	magic    = "sha\x03"
	stateEnd = len(magic) + sha256.Size
	blockEnd = stateEnd + BlockSize
	encoded  = blockEnd + 8
)

// A Hash is a SHA-256 whose state can be taken and set. It is not safe for concurrent
// use, and allocates nothing after New.
type Hash struct {
	h   hash.Hash
	n   int64 // bytes that were hashed, those before the state that it was taken up at too
	buf [encoded]byte
}

// New returns the hash of nothing.
func New() *Hash {
	return &Hash{h: sha256.New()}
}

// Reset makes h the hash of nothing.
func (h *Hash) Reset() {
	h.h.Reset()
	h.n = 0
}

// Resume makes h the hash of n bytes, a multiple of BlockSize, by its state. The first
// state is the same for all: with n = 0 it is Reset.
func (h *Hash) Resume(n int64, s State) {
	if n == 0 {
		h.Reset()
		return
	}
	mustBeWhole(n)
	b := append(h.buf[:0], magic...)
	b = append(b, s[:]...)
	clear(h.buf[stateEnd:blockEnd])
	b = binary.BigEndian.AppendUint64(b[:blockEnd], uint64(n))
	if err := h.h.(encoding.BinaryUnmarshaler).UnmarshalBinary(b); err != nil {
		panic("midstate: " + err.Error())
	}
	h.n = n
}

// Write hashes the bytes that come next. It never fails.
func (h *Hash) Write(p []byte) (int, error) {
	h.n += int64(len(p))
	return h.h.Write(p)
}

// Len returns the number of bytes that h is the hash of.
func (h *Hash) Len() int64 { return h.n }

// State returns the state after all bytes so far, which are a multiple of BlockSize.
func (h *Hash) State() State {
	mustBeWhole(h.n)
	b, err := h.h.(encoding.BinaryAppender).AppendBinary(h.buf[:0])
	if err != nil || len(b) != encoded || !bytes.HasPrefix(b, []byte(magic)) {
		panic("midstate: crypto/sha256 has another encoding")
	}
	return State(b[len(magic):stateEnd])
}

// Sum returns the digest of all bytes so far.
func (h *Hash) Sum() [sha256.Size]byte {
	return [sha256.Size]byte(h.h.Sum(h.buf[:0]))
}

func mustBeWhole(n int64) {
	if n < 0 || n%BlockSize != 0 {
		panic("midstate: not whole blocks")
	}
}
