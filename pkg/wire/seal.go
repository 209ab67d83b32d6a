package wire

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"fmt"
	"io"
)

// A SessionID names a session. It is random and new for each.
type SessionID [16]byte

// Short returns the part of the id that is in every packet.
func (s SessionID) Short() uint32 { return be.Uint32(s[:4]) }

// A Key is a session's secret, random and new for each; the hosts get it over
// TLS. It prints as "***".
type Key [32]byte

// Format hides the key, whatever the verb (invariant I8).
func (Key) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "***") }

// MarshalText hides the key, in JSON too.
func (Key) MarshalText() ([]byte, error) { return []byte("***"), nil }

// labels of the two values that are derived from a session's key.
const (
	keyLabel  = "daisy-mcast 1 packet key"
	saltLabel = "daisy-mcast 1 packet salt"
)

// nonceSize is AES-GCM's: a salt of four bytes and the counter.
const nonceSize = 12

// A packetCipher is the AEAD of a session and its nonce, which is reused: an
// array of the caller's would be allocated for each packet.
type packetCipher struct {
	aead  cipher.AEAD
	nonce [nonceSize]byte
	short uint32
}

func newPacketCipher(k Key, id SessionID) (packetCipher, error) {
	key, err := hkdf.Key(sha256.New, k[:], id[:], keyLabel, 32)
	if err != nil {
		return packetCipher{}, fmt.Errorf("deriving the packet key: %w", err)
	}
	salt, err := hkdf.Key(sha256.New, k[:], id[:], saltLabel, nonceSize-8)
	if err != nil {
		return packetCipher{}, fmt.Errorf("deriving the packet salt: %w", err)
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return packetCipher{}, fmt.Errorf("making the packet cipher: %w", err)
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		return packetCipher{}, fmt.Errorf("making the packet cipher: %w", err)
	}
	c := packetCipher{aead: aead, short: id.Short()}
	copy(c.nonce[:], salt)
	return c, nil
}

func (c *packetCipher) setCounter(n uint64) {
	be.PutUint64(c.nonce[nonceSize-8:], n)
}

// A Sealer makes a session's datagrams. There is one per key, else two packets
// get one nonce. Not safe for concurrent use.
type Sealer struct {
	c    packetCipher
	next uint64 // counter of the next packet; 0 <= next <= MaxPackets
}

// NewSealer returns the sealer of a new session.
func NewSealer(k Key, id SessionID) (*Sealer, error) {
	c, err := newPacketCipher(k, id)
	if err != nil {
		return nil, err
	}
	return &Sealer{c: c}, nil
}

// Next returns the counter that the next packet gets: the packets sealed.
func (s *Sealer) Next() uint64 { return s.next }

// Seal appends the datagram of a payload to dst and returns it. h.Session and
// h.Counter are its own to set. It allocates nothing when dst has room for
// len(payload)+Overhead bytes; the two must not overlap. The error is
// ErrExhausted, after which the session must end.
func (s *Sealer) Seal(dst []byte, h Header, payload []byte) ([]byte, error) {
	if s.next >= MaxPackets {
		return dst, ErrExhausted
	}
	h.Session, h.Counter = s.c.short, s.next
	s.next++
	n := len(dst)
	var header [HeaderSize]byte
	h.put(header[:])
	dst = append(dst, header[:]...)
	s.c.setCounter(h.Counter)
	return s.c.aead.Seal(dst, s.c.nonce[:], payload, dst[n:n+HeaderSize]), nil
}

// Drops counts the datagrams that an Opener refused, by the reason.
type Drops struct {
	// Foreign ones are not of this session: other programs, other versions,
	// older sessions.
	Foreign uint64
	// Forged ones have a tag that does not hold: forged, or damaged under way.
	Forged uint64
	// Malformed ones have a tag that holds and break a bound: only a member of
	// the group can make them.
	Malformed uint64
}

// An Opener reads a session's datagrams. Not safe for concurrent use.
type Opener struct {
	c     packetCipher
	g     Geometry
	drops Drops
}

// NewOpener returns an opener for a session whose packets have geometry g.
func NewOpener(k Key, id SessionID, g Geometry) (*Opener, error) {
	if err := g.Validate(); err != nil {
		return nil, err
	}
	c, err := newPacketCipher(k, id)
	if err != nil {
		return nil, err
	}
	return &Opener{c: c, g: g}, nil
}

// SetGeometry has the opener expect packets of another size, once a second WELCOME has
// told it.
func (o *Opener) SetGeometry(g Geometry) { o.g = g }

// Open decrypts a datagram in place and returns its header and payload, which
// is part of it. When ok, the datagram was made by a holder of the session's
// key and obeys every bound of doc.go. Whether it was seen before is not asked:
// the block map makes duplicates harmless. When not, the datagram is spoiled. It
// allocates nothing.
func (o *Opener) Open(datagram []byte) (h Header, payload []byte, ok bool) {
	h, ok = parseHeader(datagram)
	if !ok || h.Session != o.c.short {
		o.drops.Foreign++
		return Header{}, nil, false
	}
	o.c.setCounter(h.Counter)
	sealed := datagram[HeaderSize:]
	payload, err := o.c.aead.Open(sealed[:0], o.c.nonce[:], sealed, datagram[:HeaderSize])
	if err != nil {
		o.drops.Forged++
		return Header{}, nil, false
	}
	if !h.fits(o.g, len(payload)) {
		o.drops.Malformed++
		return Header{}, nil, false
	}
	return h, payload, true
}

// Drops returns what was refused so far.
func (o *Opener) Drops() Drops { return o.drops }
