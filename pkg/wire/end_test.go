package wire

import (
	"encoding/hex"
	"testing"
)

func goldenEnd() golden {
	return golden{
		End{Size: 1_099_777, Segments: 2, Root: Digest(bytesFrom(0, 32))},
		"0000002d06" + "000000000010c801" + "00000002" + "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f",
	}
}

func TestEnd(t *testing.T) { goldenEnd().check(t) }

func TestEndBounds(t *testing.T) {
	b := body(goldenEnd().message)
	refused(t, TypeEnd, with(b, 0, 0xff), "size")
	refused(t, TypeEnd, with(b, 8, 0, 5, 0x55, 0x57), "segments")
	panics(t, End{Segments: MaxSegments + 1})
	panics(t, End{Size: 1 << 60})
}

func TestRoot(t *testing.T) {
	r := NewRootHash()
	r.Add(digestOf(0xaa))
	r.Add(digestOf(0xbb))
	root := r.Sum(1_099_777)
	const want = "a6add95502a37947ed3c4d9bdbc2e35259be942d949c95075ae876296f4596ed"
	if got := hex.EncodeToString(root[:]); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}
