// Package vectors_test holds the code against docs/vectors.txt, which a second
// implementation made: what it says is the protocol, and not what our code does.
package vectors_test

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/sha256"
	"encoding/hex"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/daisy-mcast/daisy-mcast/pkg/imageset"
	"github.com/daisy-mcast/daisy-mcast/pkg/parity"
	"github.com/daisy-mcast/daisy-mcast/pkg/rangeset"
	"github.com/daisy-mcast/daisy-mcast/pkg/store"
	"github.com/daisy-mcast/daisy-mcast/pkg/transfer"
	"github.com/daisy-mcast/daisy-mcast/pkg/wire"
)

const (
	payload = 508
	size    = 2400
)

// vectors are the lines of the file; a name is gone from unused once it was asked for.
type vectors struct {
	lines  map[string]string
	unused map[string]bool
}

func load(t *testing.T) vectors {
	t.Helper()
	text, err := os.ReadFile("../../docs/vectors.txt")
	if err != nil {
		t.Fatal(err)
	}
	v := vectors{make(map[string]string), make(map[string]bool)}
	for line := range strings.Lines(string(text)) {
		if line = strings.TrimSpace(line); line == "" || line[0] == '#' {
			continue
		}
		name, value, ok := strings.Cut(line, ": ")
		if !ok || v.lines[name] != "" {
			t.Fatalf("the line %.40q", line)
		}
		v.lines[name], v.unused[name] = value, true
	}
	return v
}

func (v vectors) bytes(t *testing.T, name string) []byte {
	t.Helper()
	b, err := hex.DecodeString(v.lines[name])
	if err != nil || len(b) == 0 {
		t.Fatalf("%s: %d bytes, %v", name, len(b), err)
	}
	delete(v.unused, name)
	return b
}

// want checks what the code makes.
func (v vectors) want(t *testing.T, name string, got []byte) {
	t.Helper()
	if want := v.bytes(t, name); !bytes.Equal(got, want) {
		t.Errorf("%s: got  %x\nwant %x", name, got, want)
	}
}

// from returns n bytes from a on.
func from(a, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(a + i)
	}
	return b
}

func pattern(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(7*i + i/256)
	}
	return b
}

// TestVectors: one table for all, so that a line that nothing looks at is seen.
func TestVectors(t *testing.T) {
	v := load(t)
	byHand(t, v)
	stream(t, v)
	datagrams(t, v)
	for name, m := range messages(t, v) {
		frame := v.bytes(t, name)
		if got := wire.Append(nil, m); !bytes.Equal(got, frame) {
			t.Errorf("%s: got  %x\nwant %x", name, got, frame)
		}
		if got, err := wire.Parse(frame[4:]); err != nil || !bytes.Equal(wire.Append(nil, got), frame) {
			t.Errorf("%s: read as %+v, %v", name, got, err)
		}
	}
	pack(t, v)
	for name := range v.unused {
		t.Errorf("nothing holds %q", name)
	}
}

func byHand(t *testing.T, v vectors) {
	token := transfer.Token{Sender: netip.MustParseAddrPort("10.20.11.2:18384"), Pin: transfer.Pin(from(0, 32)), Secret: transfer.Secret(from(32, 16))}
	text := v.lines["token"]
	delete(v.unused, "token")
	if got := token.Text(); got != text {
		t.Errorf("token: got %s, want %s", got, text)
	}
	if got, err := transfer.ParseToken(text); err != nil || got != token {
		t.Errorf("token: %v", err)
	}
	proof := wire.NewProof(from(32, 16), from(64, 32))
	v.want(t, "proof", proof[:])
}

// dataPackets cuts the stream.
func dataPackets() (data [][]byte) {
	g := wire.Geometry{Payload: payload}
	all := pattern(size)
	for i := range g.Packets(size, 0) {
		p := make([]byte, payload)
		copy(p, all[i*payload:])
		data = append(data, p)
	}
	return data
}

func stream(t *testing.T, v vectors) {
	data := dataPackets()
	for name, row := range map[string]int{"row 0": 0, "row 63": 63} {
		out := [][]byte{make([]byte, payload)}
		parity.Encode(out, row, data)
		v.want(t, name, out[0])
	}
	lost := [][]byte{bytes.Clone(data[1]), bytes.Clone(data[3])}
	clear(data[1])
	clear(data[3])
	rows := []parity.Row{{Number: 0, Packet: bytes.Clone(v.bytes(t, "row 0"))}, {Number: 63, Packet: bytes.Clone(v.bytes(t, "row 63"))}}
	if err := parity.NewDecoder().Decode(data, []int{1, 3}, rows); err != nil || !bytes.Equal(data[1], lost[0]) || !bytes.Equal(data[3], lost[1]) {
		t.Errorf("the rows do not stand in for packets 1 and 3: %v", err)
	}
	digest := wire.Digest(sha256.Sum256(pattern(size)))
	v.want(t, "digest", digest[:])
	r := wire.NewRootHash()
	r.Add(digest)
	root := r.Sum(size)
	v.want(t, "root", root[:])
}

func datagrams(t *testing.T, v vectors) {
	key, id := wire.Key(from(100, 32)), wire.SessionID(from(0, 16))
	sealer, err := wire.NewSealer(key, id)
	if err != nil {
		t.Fatal(err)
	}
	opener, err := wire.NewOpener(key, id, wire.Geometry{Payload: payload})
	if err != nil {
		t.Fatal(err)
	}
	names := map[uint64]string{0: "canary", 5: "data", 7: "parity"}
	for sealer.Next() < 8 {
		n := sealer.Next()
		h, p := wire.Header{Type: wire.Data, Flags: wire.FlagLast, Count: 5, Index: 4}, pattern(size)[4*payload:]
		switch n {
		case 0:
			h, p = wire.Header{Type: wire.Canary, Index: 3}, make([]byte, 20)
		case 7:
			h.Type, h.Index, p = wire.Parity, wire.ParityIndex(63), v.bytes(t, "row 63")
		}
		d, err := sealer.Seal(nil, h, p)
		if err != nil {
			t.Fatal(err)
		}
		if names[n] == "" {
			continue
		}
		v.want(t, names[n], d)
		if _, got, ok := opener.Open(bytes.Clone(v.bytes(t, names[n]))); !ok || !bytes.Equal(got, p) {
			t.Errorf("%s: it does not open", names[n])
		}
	}
	derived(t, v)
}

// derived opens a datagram with the derived values, which the code tells nobody.
func derived(t *testing.T, v vectors) {
	block, err := aes.NewCipher(v.bytes(t, "packet key"))
	if err != nil {
		t.Fatal(err)
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		t.Fatal(err)
	}
	d := v.bytes(t, "data")
	nonce := append(v.bytes(t, "packet salt"), d[10:18]...)
	if p, err := aead.Open(nil, nonce, d[wire.HeaderSize:], d[:wire.HeaderSize]); err != nil || !bytes.Equal(p, pattern(size)[4*payload:]) {
		t.Errorf("packet key, packet salt: %v", err)
	}
}

// messages are those that the file's frames say.
func messages(t *testing.T, v vectors) map[string]wire.Message {
	digest, root := wire.Digest(v.bytes(t, "digest")), wire.Digest(v.bytes(t, "root"))
	var fetch, held rangeset.Set
	fetch.Add(1, 2)
	fetch.Add(3, 4)
	held.Add(0, 4)
	held.Add(200, 1000)
	var missing wire.Bitmap
	missing.Add(1)
	missing.Add(3)
	report := wire.Report{At: 12345 * time.Microsecond, Counter: 6, Counters: wire.Counters{Received: 3}}
	mark := report
	report.Next, report.Deficits = 1, []wire.Deficit{{Block: 0, Packets: 2}}
	return map[string]wire.Message{
		"HELLO R": wire.Hello{Versions: []uint8{1}, Proof: wire.Proof(v.bytes(t, "proof"))},
		"HELLO S": wire.Hello{Versions: []uint8{1, 9}},
		"WELCOME": wire.Welcome{
			Version: 1, Session: wire.SessionID(from(0, 16)), Key: wire.Key(from(100, 32)),
			Group: netip.MustParseAddrPort("239.192.77.1:18384"), Geometry: wire.Geometry{Payload: payload},
			Mode: wire.File, Size: size, ReportInterval: 20 * time.Millisecond,
		},
		"READY":         wire.Ready{ReceiveBuffer: 4 << 20},
		"CANARY_REPORT": wire.CanaryReport{Received: 1<<0 | 1<<3},
		"SEGMENTS":      wire.Segments{First: 0, Digests: []wire.Digest{digest}},
		"END":           wire.End{Size: size, Segments: 1, Root: root},
		"REPORT mark":   mark,
		"REPORT":        report,
		"MAP":           wire.Map{Block: 0, Missing: missing},
		"DETACH":        wire.Detach{Alone: true, Reason: wire.NoMulticast, Text: "no"},
		"FETCH":         wire.Fetch{Packets: fetch},
		"REPAIR":        wire.Repair{Packet: wire.PacketID{Block: 0, Index: 1}, Payload: pattern(size)[payload : 2*payload]},
		"DONE": wire.Done{Root: root, Counters: wire.Counters{
			Received: 3, Duplicates: 1, Overflow: 2, BadTags: 4, NoRoom: 5, CEMarks: 6, BadSegments: 7,
		}},
		"BYE":         wire.Bye{Reason: wire.Finished},
		"BEAT":        wire.Beat{Sent: 300},
		"RESUME none": wire.Resume{},
		"RESUME":      wire.Resume{Held: held},
		"BYE refused": wire.Bye{Reason: wire.Refused, Text: "no proof"},
	}
}

func pack(t *testing.T, v vectors) {
	small, large := pattern(100), pattern(400_000)
	var blobs []store.Blob
	for name, b := range map[string][]byte{"blob 100": small, "blob 400000": large} {
		sum := sha256.Sum256(b)
		v.want(t, name, sum[:])
	}
	for _, b := range [][]byte{small, large} {
		blobs = append(blobs, store.Blob{Digest: store.DigestOf(b), Size: int64(len(b))})
	}
	p, err := imageset.NewPack(blobs)
	if err != nil {
		t.Fatal(err)
	}
	space := append(append(bytes.Clone(small), make([]byte, 28)...), large...)
	if p.Size() != int64(len(space)) {
		t.Fatalf("the pack has %d bytes, want %d", p.Size(), len(space))
	}
	segment := wire.Geometry{Payload: payload}.SegmentSize()
	s, root := p.Summer(), wire.NewRootHash()
	for i, name := range []string{"pack digest 0", "pack digest 1"} {
		if _, err := s.Write(space[i*segment : min((i+1)*segment, len(space))]); err != nil {
			t.Fatal(err)
		}
		sum := s.Sum()
		v.want(t, name, sum[:])
		root.Add(wire.Digest(sum))
	}
	sum := root.Sum(uint64(len(space)))
	v.want(t, "pack root", sum[:])
}
