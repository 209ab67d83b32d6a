package transfer

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/daisy-mcast/daisy-mcast/pkg/wire"
)

// journaled gives a host a file and a journal that last from session to session.
func (h *testHost) journaled(t *testing.T, file string) *Journal {
	t.Helper()
	f, err := os.OpenFile(file, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	j, err := OpenJournal(file + ".journal")
	if err != nil {
		t.Fatal(err)
	}
	sink := JournaledSink(f, j)
	h.out, h.sink, h.keep = file, &sink, true
	t.Cleanup(func() { f.Close(); j.Close() })
	return j
}

// interrupted runs a session to files that is ended when its first host has about a
// share of the stream, and the others something; it returns how many bytes each host's
// journal names. Nobody gets all before that end, however late it comes.
func interrupted(t *testing.T, want []byte, files []string, share float64) (sizes []int64) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	source := &heldBack{ReaderAt: bytes.NewReader(want), from: int64(len(want)) * 9 / 10, until: ctx.Done()}
	s := newSession(t, len(files), FileSource(source, int64(len(want))))
	s.ctx = ctx
	s.send.MaxRate = 100e6 // bytes a second: that there is a middle
	var journals []*Journal
	var lack atomic.Int64 // hosts that have less than they are to have
	lack.Store(int64(len(files)))
	for i, h := range s.hosts {
		journals = append(journals, h.journaled(t, files[i]))
		h.lose(0.01, uint64(i))
		enough := int64(1)
		if i == 0 {
			enough = int64(share * float64(len(want)))
		}
		has := sync.OnceFunc(func() {
			if lack.Add(-1) == 0 {
				cancel()
			}
		})
		h.cfg.Progress = func(done, _ int64) {
			if done >= enough {
				has()
			}
		}
	}
	s.run()
	if s.sendErr == nil {
		t.Fatal("the session was not interrupted")
	}
	for i, h := range s.hosts {
		var named int64 // one more may have been written than was counted
		for n := range journals[i].segments {
			named += int64(segmentLen(testGeometry, uint64(len(want)), n))
		}
		if sizes = append(sizes, named); h.err == nil || h.result.Size == 0 || named < h.result.Size {
			t.Fatalf("host %d: %v, %d bytes, %d in the journal", i, h.err, h.result.Size, named)
		}
		journals[i].Close()
	}
	return sizes
}

// heldBack is a file whose end cannot be read yet.
type heldBack struct {
	io.ReaderAt
	from  int64
	until <-chan struct{}
}

// ReadAt implements io.ReaderAt.
func (h *heldBack) ReadAt(b []byte, at int64) (int, error) {
	if at+int64(len(b)) > h.from {
		<-h.until
	}
	return h.ReaderAt.ReadAt(b, at)
}

func twoFiles(t *testing.T) []string {
	dir := t.TempDir()
	return []string{dir + "/a", dir + "/b"}
}

// TestFault02Resumed: another session, with other keys, sends only what some host
// lacks of what an interrupted one sent.
func TestFault02Resumed(t *testing.T) {
	want, files := testBytes(48<<20+123), twoFiles(t)
	had := interrupted(t, want, files, 0.6)
	s := newSession(t, 2, FileSource(bytes.NewReader(want), int64(len(want))))
	for i, h := range s.hosts {
		h.journaled(t, files[i])
	}
	s.run()
	s.wantAll(want, s.hosts...)
	for i, h := range s.hosts {
		if h.result.Resumed != had[i] {
			t.Errorf("host %d: %d bytes counted, it had %d", i, h.result.Resumed, had[i])
		}
	}
	// What the two lack overlaps for the most part; twice is the most there can be.
	lacked := 2*int64(len(want)) - had[0] - had[1]
	if most := lacked/wire.DefaultPayload*11/10 + 64; int64(s.result.Packets) > most {
		t.Errorf("%d packets were sent, %d are lacked", s.result.Packets, lacked/wire.DefaultPayload)
	}
}

// TestFault07And08JournalIsNotTrusted: bytes that changed, or a journal that lies, or
// one of another content of the same size, change nothing but what is sent.
func TestFault07And08JournalIsNotTrusted(t *testing.T) {
	segment := int64(testGeometry.SegmentSize())
	want := testBytes(24 << 20)
	for name, tt := range map[string]struct {
		spoil   func(t *testing.T, file string)
		content []byte
		least   int64 // of what is counted, at least and at most this less
		less    int64
	}{
		"a byte changed":  {func(t *testing.T, file string) { patch(t, file, 5, []byte{77}) }, want, segment, segment},
		"grown":           {func(t *testing.T, file string) { patch(t, file, 30<<20, []byte{1}) }, want, 12 * segment, 0},
		"cut off":         {func(t *testing.T, file string) { truncate(t, file, 2*segment) }, want, 0, 1},
		"gone":            {func(t *testing.T, file string) { truncate(t, file, 0) }, want, 0, 1},
		"other content":   {func(*testing.T, string) {}, bytes.Repeat([]byte("x"), len(want)), 0, 1},
		"other size":      {func(*testing.T, string) {}, testBytes(25 << 20), 0, 1},
		"smaller":         {func(*testing.T, string) {}, testBytes(1 << 20), 0, 1},
		"journal spoiled": {func(t *testing.T, file string) { patch(t, file+".journal", 9, []byte("?")) }, want, 0, 1},
		"journal half":    {func(t *testing.T, file string) { truncate(t, file+".journal", 60+75*3/2) }, want, 1, 1},
	} {
		t.Run(name, func(t *testing.T) {
			files := twoFiles(t)[:1]
			had := interrupted(t, want, files, 0.5)[0]
			tt.spoil(t, files[0])
			s := newSession(t, 1, FileSource(bytes.NewReader(tt.content), int64(len(tt.content))))
			j := s.hosts[0].journaled(t, files[0])
			s.run()
			s.wantAll(tt.content, s.hosts...)
			got := s.hosts[0].result.Resumed
			if got < tt.least || got > had-tt.less {
				t.Errorf("%d of %d bytes were counted", got, had)
			}
			if all := int(testGeometry.Segments(uint64(len(tt.content)))); j.Len() != all {
				t.Errorf("the journal has %d segments of %d", j.Len(), all)
			}
		})
	}
}

func patch(t *testing.T, file string, at int64, b []byte) {
	t.Helper()
	f, err := os.OpenFile(file, os.O_WRONLY, 0)
	if err == nil {
		_, err = f.WriteAt(b, at)
		err = errors.Join(err, f.Close())
	}
	if err != nil {
		t.Fatal(err)
	}
}

func truncate(t *testing.T, file string, size int64) {
	t.Helper()
	if err := os.Truncate(file, size); err != nil {
		t.Fatal(err)
	}
}

// TestResumeBesideOthers: one host resumes, one has all already, one has nothing, and
// the source is slow to read. All end with all.
func TestResumeBesideOthers(t *testing.T) {
	want, files := testBytes(24<<20), twoFiles(t)
	interrupted(t, want, files, 0.5)
	whole := testBytes(24 << 20)
	if err := os.WriteFile(files[1], whole, 0o600); err != nil {
		t.Fatal(err)
	}
	j, err := OpenJournal(files[1] + ".journal")
	if err != nil {
		t.Fatal(err)
	}
	for n := range uint32(testGeometry.Segments(uint64(len(want)))) {
		from := int(n) * testGeometry.SegmentSize()
		j.add(n, digestOf(whole[from:min(from+testGeometry.SegmentSize(), len(whole))]))
	}
	j.Close()
	src := FileSource(bytes.NewReader(want), int64(len(want)))
	src.Reader = &slowReader{r: src.Reader}
	s := newSession(t, 3, src)
	s.hosts[0].journaled(t, files[0])
	s.hosts[1].journaled(t, files[1])
	s.run()
	s.wantAll(want, s.hosts...)
	if got := s.hosts[1].result; got.Resumed != int64(len(want)) {
		t.Errorf("%d bytes of the whole file were counted", got.Resumed)
	}
	if s.result.Packets < uint64(len(want)/wire.DefaultPayload) {
		t.Errorf("%d packets for one that had nothing", s.result.Packets)
	}
}

// TestResumeComesLate: the main pass has begun; what was held is not waited for again.
func TestResumeComesLate(t *testing.T) {
	want, files := testBytes(24<<20), twoFiles(t)
	had := interrupted(t, want, files, 0.5)
	s := newSession(t, 2, FileSource(bytes.NewReader(want), int64(len(want))))
	s.send.MaxRate = 20e6
	s.send.JoinTimeout = enoughToJoin
	begun := make(chan struct{})
	s.hosts[0].start = begun
	s.send.Progress = func(done int64) {
		if done > 0 && begun != nil {
			close(begun)
			begun = nil
		}
	}
	s.hosts[0].start = begun
	s.hosts[0].journaled(t, files[0])
	s.run()
	s.wantAll(want, s.hosts...)
	if got := s.hosts[0].result.Resumed; got == 0 || got > had[0] {
		t.Errorf("%d bytes were counted, it had %d", got, had[0])
	}
}

// TestStreamIsNotResumed: of a stream nothing is kept, and nothing believed.
func TestStreamIsNotResumed(t *testing.T) {
	want, files := testBytes(8<<20), twoFiles(t)[:1]
	interrupted(t, testBytes(24<<20), files, 0.5)
	s := newSession(t, 1, StreamSource(io.MultiReader(bytes.NewReader(want))))
	j := s.hosts[0].journaled(t, files[0])
	s.run()
	s.wantAll(want, s.hosts...)
	if s.hosts[0].result.Resumed != 0 || j.Len() != 0 {
		t.Errorf("%d bytes were counted, %d segments are in the journal", s.hosts[0].result.Resumed, j.Len())
	}
}

// A slowReader gives little at a time.
type slowReader struct{ r io.Reader }

func (s *slowReader) Read(p []byte) (int, error) {
	time.Sleep(time.Millisecond)
	return s.r.Read(p[:min(len(p), 50_000)])
}
