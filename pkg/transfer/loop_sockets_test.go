package transfer

import (
	"bytes"
	"encoding/binary"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/daisy-mcast/daisy-mcast/pkg/multicast"
	"github.com/daisy-mcast/daisy-mcast/pkg/pace"
	"github.com/daisy-mcast/daisy-mcast/pkg/wire"
)

// A runWriter notes whether the data of a session leave in runs that the kernel cuts.
type runWriter struct {
	packetWriter
	isOn         bool
	whole, plain int // runs of data, by the way they left
}

func (w *runWriter) SetSegment(use bool) {
	w.isOn = use
	w.packetWriter.SetSegment(use)
}

func (w *runWriter) SendRun(run []byte, size int) error {
	if wire.PacketType(run[3]) == wire.Data {
		if w.isOn {
			w.whole++
		} else {
			w.plain++
		}
	}
	return w.packetWriter.SendRun(run, size)
}

// TestCanariesProveRuns: data leave in runs that the kernel cuts when each host has had
// the canaries that came so, and one by one when some host has not.
func TestCanariesProveRuns(t *testing.T) {
	want := testBytes(4 << 20)
	for _, spoilt := range []bool{false, true} {
		s := newSession(t, 3, FileSource(bytes.NewReader(want), int64(len(want))))
		var w *runWriter
		s.send.testOnlyWriter = func(inner packetWriter) packetWriter {
			w = &runWriter{packetWriter: inner}
			return w
		}
		s.hosts[1].dropIf(func(d []byte) bool { // as a card that cuts wrongly
			isRun := binary.BigEndian.Uint16(d[22:])%canaryRound >= canaryAlone
			return spoilt && wire.PacketType(d[3]) == wire.Canary && isRun
		})
		s.run()
		s.wantAll(want, s.hosts...)
		if spoilt && w.whole > 0 || !spoilt && w.whole == 0 {
			t.Errorf("a card that cuts wrongly: %v; %d runs were cut by the kernel, %d not", spoilt, w.whole, w.plain)
		}
	}
}

// A countingReader says that its socket's buffer has overflowed and that some packets
// came with a mark, and counts reports.
type countingReader struct {
	packetReader
	packets int
	drops   uint64
	reports atomic.Int32
	failure error
}

func (r *countingReader) Read() ([]multicast.Packet, error) {
	packets, err := r.packetReader.Read()
	for i := range packets {
		if r.packets++; r.packets%1000 == 0 { // so few are no congestion
			packets[i].Marked = true
		}
	}
	return packets, err
}

func (r *countingReader) Drops() uint64 { return r.drops }

func (r *countingReader) Report() error {
	r.reports.Add(1)
	return r.failure
}

// TestLossIsToldByItsCause: what a host lost to its own buffer, and what came damaged or
// marked, is in the sender's account of that host and of no other.
func TestLossIsToldByItsCause(t *testing.T) {
	want := testBytes(4 << 20)
	s := newSession(t, 2, FileSource(bytes.NewReader(want), int64(len(want))))
	n := 0
	s.hosts[0].cfg.testOnlyReader = func(inner packetReader) packetReader {
		return &countingReader{drops: 7, packetReader: &lossyReader{packetReader: inner, drop: func(d []byte) bool {
			if wire.PacketType(d[3]) == wire.Data {
				if n++; n%100 == 0 {
					d[len(d)-1]++
				}
			}
			return false
		}}}
	}
	s.run()
	s.wantAll(want, s.hosts...)
	if c := s.resultOf(s.hosts[0]).Counters; c.Overflow != 7 || c.BadTags == 0 || c.CEMarks == 0 {
		t.Errorf("the sender says %+v, want 7 overflowed, and some damaged and marked", c)
	}
	if c := s.resultOf(s.hosts[1]).Counters; c.Overflow != 0 || c.BadTags != 0 || c.CEMarks != 0 {
		t.Errorf("the sender says of the other %+v", c)
	}
}

// TestMembershipIsRenewed: once a minute, until that fails or the reception ends.
func TestMembershipIsRenewed(t *testing.T) {
	for _, failure := range []error{nil, errors.New("not permitted")} {
		synctest.Test(t, func(t *testing.T) {
			rx := &countingReader{failure: failure}
			r := &reception{rx: rx, quit: make(chan struct{}), log: orDiscard(nil)}
			go r.renew()
			time.Sleep(10*multicast.ReportEvery + time.Second)
			close(r.quit)
			synctest.Wait()
			want := int32(10)
			if failure != nil {
				want = 1
			}
			if got := rx.reports.Load(); got != want {
				t.Errorf("%v: %d reports in ten minutes, want %d", failure, got, want)
			}
		})
	}
}

// TestWhatTheCoreIsTold: what a sending was asked for about its rate and its hosts is what
// its core goes by, also after the packets were made smaller.
func TestWhatTheCoreIsTold(t *testing.T) {
	cfg := SendConfig{
		LocalIP: local, Group: freeGroup(t), Identity: identity(t), Receivers: 5, Memory: 16 << 20,
		MaxRate: 7 * pace.Mbps, MinRate: 3 * pace.Mbps, Slow: Drop, Quorum: 2,
	}
	s, err := newSending(cfg, FileSource(bytes.NewReader(nil), 12345))
	if err != nil {
		t.Fatal(err)
	}
	defer s.tx.Close()
	for _, payload := range []uint16{wire.DefaultPayload, leastCut} {
		s.cut(payload)
		got := s.core.cfg
		want := SenderConfig{
			Geometry: wire.Geometry{Payload: payload}, Mode: wire.File, Size: 12345, Receivers: 5, PoolBlocks: got.PoolBlocks,
			MaxRate: 7 * pace.Mbps, MinRate: 3 * pace.Mbps, Slow: Drop, Quorum: 2,
		}
		if bytes := got.PoolBlocks * s.g.BlockSize(); got != want || bytes > cfg.Memory || bytes < cfg.Memory/2 {
			t.Errorf("told %+v, which is %d bytes of buffers; want %+v", got, bytes, want)
		}
	}
}
