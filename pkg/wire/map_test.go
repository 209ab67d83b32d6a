package wire

import "testing"

func goldenMap() golden {
	m := Map{Block: MaxBlocks - 1}
	for _, i := range []Index{0, 9, 191} {
		m.Missing.Add(i)
	}
	return golden{m, "0000001d08" + "00155554" + "8040" + "00000000000000000000000000000000000000000001"}
}

func TestMap(t *testing.T) { goldenMap().check(t) }

func TestMapBounds(t *testing.T) {
	refused(t, TypeMap, with(body(goldenMap().message), 0, 0, 0x15, 0x55, 0x55), "block")
}

func TestBitmap(t *testing.T) {
	var a, b Bitmap
	a.Add(0)
	a.Add(7)
	a.Add(7)
	b.Add(8)
	b.Add(191)
	a.Union(&b)
	for i := range Index(BlockPackets) {
		want := i == 0 || i == 7 || i == 8 || i == 191
		if a.Has(i) != want {
			t.Errorf("%d: got %t", i, a.Has(i))
		}
	}
	if a.Len() != 4 || b.Len() != 2 {
		t.Errorf("got %d and %d packets", a.Len(), b.Len())
	}
}
