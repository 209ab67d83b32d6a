package transfer

import (
	"crypto/sha256"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/daisy-mcast/daisy-mcast/pkg/wire"
)

func digestOf(b []byte) wire.Digest { return sha256.Sum256(b) }

func TestJournalLastsAndIsOnePersons(t *testing.T) {
	name := filepath.Join(t.TempDir(), "x.journal")
	j, err := OpenJournal(name)
	if err != nil {
		t.Fatal(err)
	}
	w := wire.Welcome{Geometry: testGeometry, Mode: wire.File, Size: 1 << 30}
	if isSame, err := j.begin(w); isSame || err != nil {
		t.Fatalf("an empty one: %v, %v", isSame, err)
	}
	for n := range uint32(100) {
		j.add(n, digestOf([]byte{byte(n)}))
	}
	j.add(7, digestOf([]byte("again")))
	j.drop([]uint32{3, 4})
	if _, err := OpenJournal(name); !errors.Is(err, ErrJournalBusy) {
		t.Errorf("opened twice: %v", err)
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(name)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("its mode: %v, %v", info.Mode(), err)
	}
	if j, err = OpenJournal(name); err != nil {
		t.Fatal(err)
	}
	defer j.Close()
	if j.Len() != 98 || j.segments[7] != digestOf([]byte("again")) || j.segments[99] != digestOf([]byte{99}) {
		t.Errorf("%d segments came back", j.Len())
	}
	if isSame, err := j.begin(w); !isSame || err != nil || j.Len() != 98 {
		t.Errorf("the same stream: %v, %v, %d segments", isSame, err, j.Len())
	}
	w.Size++
	if isSame, err := j.begin(w); isSame || err != nil || j.Len() != 0 {
		t.Errorf("another: %v, %v, %d segments", isSame, err, j.Len())
	}
}

func TestJournalIsNotALink(t *testing.T) {
	dir := t.TempDir()
	if err := os.Symlink("/dev/null", dir+"/x"); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenJournal(dir + "/x"); err == nil {
		t.Error("a link was followed")
	}
}

func TestBlocksOfManySegments(t *testing.T) {
	var every2nd []uint32
	for n := range uint32(20_000) {
		every2nd = append(every2nd, 2*n)
	}
	const size = 44_000_000_000
	s := blocksOf(testGeometry, size, every2nd)
	if s.Ranges() != wire.MaxRanges || s.Len() != wire.MaxRanges*wire.SegmentBlocks {
		t.Errorf("%d ranges of %d blocks", s.Ranges(), s.Len())
	}
	last := uint32(testGeometry.Segments(1 << 20))
	s = blocksOf(testGeometry, 1<<20, []uint32{0, last - 1})
	if s.End() != uint64(testGeometry.Blocks(1<<20)) {
		t.Errorf("the last segment: %v", s.String())
	}
}

func FuzzJournal(f *testing.F) {
	head := journalHead(testGeometry, 12345)
	line := appendLine(nil, 17, digestOf([]byte("x")))
	f.Add([]byte(head + "\n" + string(line)))
	f.Add([]byte(head + "\n" + string(line) + string(line[:40])))
	f.Add([]byte(head + "\n4294967296 " + string(line[3:])))
	f.Add([]byte("\n\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		head, segments := parseJournal(text)
		for n := range segments {
			if n >= wire.MaxSegments {
				t.Errorf("segment %d", n)
			}
		}
		if len(segments)*60 > len(text) || len(head) > len(text) {
			t.Errorf("%d segments of %d bytes", len(segments), len(text))
		}
	})
}
