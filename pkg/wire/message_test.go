package wire

import (
	"bytes"
	"encoding/hex"
	"errors"
	"reflect"
	"strings"
	"testing"
)

// golden has each message in bytes that were made by hand from doc.go: a change
// of one of these is another protocol.
type golden struct {
	message Message
	hex     string // the frame, with its length
}

func allGolden() []golden {
	return []golden{
		goldenHello(), goldenWelcomeFile(), goldenWelcomeStream(), goldenReady(),
		goldenCanaryReport(), goldenSegments(), goldenEnd(), goldenReport(),
		goldenMap(), goldenFetch(), goldenRepair(), goldenDetach(), goldenResume(),
		goldenDone(), goldenBye(), goldenBeat(),
	}
}

func (g golden) check(t *testing.T) {
	t.Helper()
	if got := hex.EncodeToString(Append(nil, g.message)); got != g.hex {
		t.Errorf("got  %s\nwant %s", got, g.hex)
	}
	frame := unhex(t, g.hex)[lengthSize:]
	got, err := Parse(frame)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, g.message) {
		t.Errorf("got  %+v\nwant %+v", got, g.message)
	}
	for n := range frame { // cut anywhere, it is refused or another message
		if m, err := Parse(frame[:n]); err == nil && reflect.DeepEqual(m, g.message) {
			t.Errorf("its first %d bytes say the same", n)
		}
	}
}

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// refused checks that a frame of a message with the given body is refused
// because of what.
func refused(t *testing.T, typ MessageType, body []byte, what string) {
	t.Helper()
	m, err := Parse(append([]byte{byte(typ)}, body...))
	if !errors.Is(err, ErrFormat) || !strings.Contains(err.Error(), what) {
		t.Errorf("%v of %d bytes: got %+v and %v, want an error about %q", typ, len(body), m, err, what)
	}
}

// body returns the body of m, to be damaged.
func body(m Message) []byte { return Append(nil, m)[lengthSize+1:] }

// with returns b with new bytes at offset.
func with(b []byte, offset int, change ...byte) []byte {
	b = bytes.Clone(b)
	copy(b[offset:], change)
	return b
}

// panics checks that a message that breaks a bound is not sent.
func panics(t *testing.T, m Message) {
	t.Helper()
	defer func() {
		if recover() == nil {
			t.Errorf("a %v out of bounds was appended", m.Type())
		}
	}()
	Append(nil, m)
}

func bytesFrom(first, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(first + i)
	}
	return b
}

func TestEveryMessageIsTested(t *testing.T) {
	tested := make(map[MessageType]bool)
	for _, g := range allGolden() {
		tested[g.message.Type()] = true
	}
	for i := range messageNames {
		if typ := MessageType(i); typ != 0 && !tested[typ] {
			t.Errorf("%v has no golden bytes", typ)
		}
	}
}

// TestFault52 gives each message bytes too few and too many.
func TestFault52TruncatedAndOverlongMessages(t *testing.T) {
	for _, g := range allGolden() {
		b := body(g.message)
		if _, isRepair := g.message.(Repair); !isRepair {
			refused(t, g.message.Type(), append(bytes.Clone(b), 0), "")
		}
		refused(t, g.message.Type(), nil, "")
	}
}

func TestFault53UnknownMessages(t *testing.T) {
	refused(t, 0, nil, "message type 0")
	refused(t, 16, []byte("x"), "message type 16")
	refused(t, 255, nil, "message type 255")
	if _, err := Parse(nil); !errors.Is(err, ErrFormat) {
		t.Errorf("empty frame: got %v", err)
	}
}

func TestParseKeepsNothingOfTheFrame(t *testing.T) {
	for _, g := range allGolden() {
		if _, isRepair := g.message.(Repair); isRepair {
			continue
		}
		frame := unhex(t, g.hex)[lengthSize:]
		m, err := Parse(frame)
		if err != nil {
			t.Fatal(err)
		}
		for i := range frame {
			frame[i] = 0xee
		}
		if !reflect.DeepEqual(m, g.message) {
			t.Errorf("%v changed with the frame: %+v", m.Type(), m)
		}
	}
}
