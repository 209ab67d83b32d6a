package wire

import (
	"encoding/hex"
	"errors"
	"slices"
	"strings"
	"testing"
)

func goldenHello() golden {
	return golden{
		Hello{Versions: []uint8{3, 1}, Proof: Proof(bytesFrom(0, 32))},
		"0000002401020301000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f",
	}
}

func TestHello(t *testing.T) { goldenHello().check(t) }

func TestHelloBounds(t *testing.T) {
	b := body(goldenHello().message)
	refused(t, TypeHello, with(b, 0, 0), "no version")
	refused(t, TypeHello, with(b, 0, 17), "versions")
	refused(t, TypeHello, with(b, 0, 255), "versions")
	panics(t, Hello{})
	panics(t, Hello{Versions: make([]uint8, MaxVersions+1)})
	longest := Append(nil, Hello{Versions: make([]uint8, MaxVersions)})
	if got := len(longest) - lengthSize; got != MaxHelloFrame {
		t.Errorf("the longest frame has %d bytes, MaxHelloFrame is %d", got, MaxHelloFrame)
	}
}

func TestFault51Versions(t *testing.T) {
	for _, tt := range []struct {
		versions []uint8
		want     string // part of the error; "" for none
	}{
		{[]uint8{1}, ""},
		{[]uint8{9, 1}, ""},
		{[]uint8{2}, "this side speaks [1], the other [2]"},
		{[]uint8{0}, "this side speaks [1], the other [0]"},
		{[]uint8{7, 6, 5}, "the other [7 6 5]"},
	} {
		v, err := Negotiate(Hello{Versions: slices.Clone(tt.versions)})
		switch {
		case tt.want == "" && (err != nil || v != Version):
			t.Errorf("%v: got %d, %v", tt.versions, v, err)
		case tt.want != "" && (!errors.Is(err, ErrVersion) || !strings.Contains(err.Error(), tt.want)):
			t.Errorf("%v: got %v, want an error with %q", tt.versions, err, tt.want)
		}
	}
}

func TestProof(t *testing.T) {
	p := NewProof([]byte("secret"), bytesFrom(0, 32))
	const want = "47860bcbb991426bea828dbf6097dff33339b093e3b9f61d9aef8a052f93e402"
	if got := hex.EncodeToString(p[:]); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if !p.Equal(p) || p.Equal(NewProof([]byte("secret"), bytesFrom(1, 32))) || p.Equal(Proof{}) {
		t.Error("Equal is wrong")
	}
}
