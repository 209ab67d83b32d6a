package transfer

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"math/rand/v2"
	"testing"

	"github.com/daisy-mcast/daisy-mcast/pkg/parity"
	"github.com/daisy-mcast/daisy-mcast/pkg/wire"
)

// A testPacket is a packet of a test's stream.
type testPacket struct {
	id      wire.PacketID
	count   int
	payload []byte
}

// packetsOf cuts a stream of one segment into packets, with rows parity rows a
// block.
func packetsOf(stream []byte, rows int) []testPacket {
	var all []testPacket
	size := testGeometry.BlockSize()
	for n := wire.Block(0); int(n)*size < len(stream); n++ {
		b := &blockBuffer{number: n, data: make([]byte, size)}
		b.size = copy(b.data, stream[int(n)*size:])
		count := b.packets(testGeometry)
		var padded [][]byte
		for i := range count {
			all = append(all, testPacket{wire.PacketID{Block: n, Index: wire.Index(i)}, count, b.packet(testGeometry, wire.Index(i))})
			padded = append(padded, b.padded(testGeometry, i))
		}
		for r := range rows {
			out := make([]byte, testGeometry.Payload)
			parity.Encode([][]byte{out}, r, padded)
			all = append(all, testPacket{wire.PacketID{Block: n, Index: wire.ParityIndex(r)}, count, out})
		}
	}
	return all
}

func TestSegmentFromAnyPackets(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	block := testGeometry.BlockSize()
	mender := newMender(testGeometry)
	s := newSegmentBuffer(testGeometry)
	for _, size := range []int{1, 1431, 1432, 1433, 5 * 1432, block - 7, block, block + 1, 3*block + 100, 4 * block} {
		stream := testBytes(size)
		blocks := int(testGeometry.Blocks(uint64(size)))
		for range 5 {
			packets := packetsOf(stream, wire.ParityRows)
			rng.Shuffle(len(packets), func(i, j int) { packets[i], packets[j] = packets[j], packets[i] })
			s.reset(0)
			used := 0
			for _, p := range packets {
				if s.add(p.id, p.count, p.payload) {
					used++
				}
				if s.add(p.id, p.count, p.payload) {
					t.Fatalf("%d bytes: %v was of use twice", size, p.id)
				}
			}
			if want := (size + 1431) / 1432; used != want {
				t.Fatalf("%d bytes: %d packets were of use, want %d", size, used, want)
			}
			for i := range s.blocks[:blocks] {
				if !s.blocks[i].isComplete() {
					t.Fatalf("%d bytes: block %d is not complete", size, i)
				}
			}
			if err := mender.mend(s, blocks); err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(s.data[:size], stream) || !s.verify(size, sha256.Sum256(stream)) {
				t.Fatalf("%d bytes: came out wrong", size)
			}
		}
	}
}

func TestSegmentPathDoesNotAllocate(t *testing.T) {
	stream := testBytes(testGeometry.SegmentSize())
	packets := packetsOf(stream, 8)
	mender := newMender(testGeometry)
	s := newSegmentBuffer(testGeometry)
	digest := sha256.Sum256(stream)
	allocs := testing.AllocsPerRun(3, func() {
		s.reset(0)
		for i, p := range packets {
			if i%29 != 3 {
				s.add(p.id, p.count, p.payload)
			}
		}
		if err := mender.mend(s, 4); err != nil || !s.verify(len(stream), digest) {
			t.Fatal("came out wrong")
		}
	})
	if allocs > 0 {
		t.Errorf("%v allocations a segment", allocs)
	}
}

// A recorder is an output that can fail.
type recorder struct {
	bytes.Buffer
	fail error
}

func (r *recorder) Write(b []byte) (int, error) {
	if r.fail != nil {
		return 0, r.fail
	}
	return r.Buffer.Write(b)
}

// WriteAt makes it a file.
func (r *recorder) WriteAt(b []byte, at int64) (int, error) {
	for int64(r.Len()) < at+int64(len(b)) {
		r.WriteByte(0)
	}
	return copy(r.Bytes()[at:], b), nil
}

// finishAll gives segments of a stream to a finisher in the order of numbers.
func finishAll(sink Sink, stream []byte, numbers ...uint32) (results []finished) {
	f := newFinisher(testGeometry, sink, 8, func(r finished) { results = append(results, r) })
	for _, n := range numbers {
		from := int(n) * testGeometry.SegmentSize()
		piece := stream[from:min(from+testGeometry.SegmentSize(), len(stream))]
		s := newSegmentBuffer(testGeometry)
		s.reset(n)
		copy(s.data, piece)
		f.jobs <- finishJob{segment: s, blocks: 0, size: len(piece), digest: sha256.Sum256(piece)}
	}
	close(f.jobs)
	f.run()
	return results
}

func TestSinksWriteTheStream(t *testing.T) {
	stream := testBytes(3*testGeometry.SegmentSize() + 12345)
	for _, ordered := range []bool{false, true} {
		var out recorder
		sink := FileSink(&out)
		if ordered {
			sink = StreamSink(&out)
		}
		results := finishAll(sink, stream, 2, 0, 3, 1)
		if !bytes.Equal(out.Bytes(), stream) {
			t.Errorf("ordered %v: came out wrong", ordered)
		}
		if len(results) != 4 {
			t.Errorf("ordered %v: %d results", ordered, len(results))
		}
	}
}

// TestWrongDigestIsNotWritten is I1.
func TestWrongDigestIsNotWritten(t *testing.T) {
	var out recorder
	var results []finished
	f := newFinisher(testGeometry, StreamSink(&out), 1, func(r finished) { results = append(results, r) })
	s := newSegmentBuffer(testGeometry)
	f.jobs <- finishJob{segment: s, size: 100, digest: wire.Digest{1}}
	close(f.jobs)
	f.run()
	if len(results) != 1 || results[0].isGood || results[0].segment != s || out.Len() > 0 {
		t.Errorf("got %+v, %d bytes written", results, out.Len())
	}
}

func TestFault19WriteErrorIsTold(t *testing.T) {
	full := errors.New("disk full")
	results := finishAll(StreamSink(&recorder{fail: full}), testBytes(3_000_000), 0, 1, 2)
	if len(results) != 1 || !errors.Is(results[0].err, full) || !errors.Is(results[0].err, ErrSink) || results[0].isGood {
		t.Errorf("got %+v", results)
	}
}
