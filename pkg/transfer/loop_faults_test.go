package transfer

import (
	"bytes"
	"context"
	"errors"
	"io"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/daisy-mcast/daisy-mcast/pkg/multicast"
	"github.com/daisy-mcast/daisy-mcast/pkg/pace"
	"github.com/daisy-mcast/daisy-mcast/pkg/wire"
)

// after calls f once n datagrams have come by.
func after(n int, f func()) func([]byte) bool {
	var seen atomic.Int64
	return func([]byte) bool {
		if seen.Add(1) == int64(n) {
			f()
		}
		return false
	}
}

// TestFault7ReceiverDies: the others have all, and in time.
func TestFault7ReceiverDies(t *testing.T) {
	want := testBytes(16 << 20)
	s := newSession(t, 3, FileSource(bytes.NewReader(want), int64(len(want))))
	dead := s.hosts[1]
	dead.dropIf(after(2000, dead.cancel))
	s.run()
	s.wantAll(want, s.hosts[0], s.hosts[2])
	if r := s.resultOf(dead); r.Done || dead.err == nil {
		t.Errorf("the dead one: %+v, %v", r, dead.err)
	}
}

// TestFault10ReceiverFreezes: one that takes nothing for a while is detached, the
// others go on, and it has all in the end.
func TestFault10ReceiverFreezes(t *testing.T) {
	want := testBytes(48 << 20)
	s := newSession(t, 3, FileSource(bytes.NewReader(want), int64(len(want))))
	s.send.MaxRate = 300 * pace.Mbps
	frozen := s.hosts[1]
	frozen.dropIf(after(2000, func() { time.Sleep(time.Second) })) // the fault itself, not a wait
	s.run()
	s.wantAll(want, s.hosts...)
	if r := s.resultOf(frozen); r.Detached == 0 {
		t.Errorf("it was waited for: %+v", r)
	}
	for _, h := range []*testHost{s.hosts[0], s.hosts[2]} {
		if r := s.resultOf(h); r.Detached != 0 {
			t.Errorf("another was detached: %+v", r)
		}
	}
}

// TestLateJoiner: who comes late gets what it missed, and nobody starts
// again.
func TestLateJoiner(t *testing.T) {
	want := testBytes(24 << 20)
	s := newSession(t, 3, FileSource(bytes.NewReader(want), int64(len(want))))
	s.send.JoinTimeout = enoughToJoin
	s.send.MaxRate = 300 * pace.Mbps
	start := make(chan struct{})
	s.hosts[2].start = start
	s.hosts[0].dropIf(after(5000, func() { close(start) }))
	s.run()
	s.wantAll(want, s.hosts...)
}

// TestFault30NoMulticast: a host that no packet of the group reaches is served
// over TCP, and both sides say so.
func TestFault30NoMulticast(t *testing.T) {
	want := testBytes(40 << 20)
	s := newSession(t, 3, FileSource(bytes.NewReader(want), int64(len(want))))
	s.send.MaxRate = 200 * pace.Mbps
	deaf := s.hosts[1]
	deaf.lose(1, 1)
	s.run()
	s.wantAll(want, s.hosts...)
	if r := s.resultOf(deaf); r.Detached != wire.NoMulticast {
		t.Errorf("the sender says %+v", r)
	}
	if r := deaf.result; r.Detached != wire.NoMulticast || r.Repairs == 0 || r.Counters.Received != 0 {
		t.Errorf("the host says %+v", r)
	}
}

// TestFault47StrangersPackets: junk, forged packets and those of an older session
// change nothing.
func TestFault47StrangersPackets(t *testing.T) {
	want := testBytes(8 << 20)
	s := newSession(t, 2, FileSource(bytes.NewReader(want), int64(len(want))))
	var old [][]byte // of a first session
	s.hosts[0].dropIf(func(d []byte) bool { old = append(old, bytes.Clone(d)); return false })
	s.run()
	s.wantAll(want, s.hosts...)

	next := newSession(t, 2, FileSource(bytes.NewReader(want), int64(len(want))))
	ifi, err := multicast.InterfaceOf(local)
	if err != nil {
		t.Fatal(err)
	}
	stranger, err := multicast.Dial(multicast.SenderConfig{Group: next.send.Group, Interface: ifi, Local: local})
	if err != nil {
		t.Fatal(err)
	}
	defer stranger.Close()
	n := 0
	next.hosts[0].dropIf(func(d []byte) bool {
		if n++; n%5 == 1 && n/5 < len(old) {
			forged := bytes.Clone(d)
			forged[len(forged)-1] ^= 1
			for _, p := range [][]byte{old[n/5], forged, []byte("junk"), {}} {
				if err := stranger.SendRun(p, max(len(p), 1)); err != nil {
					t.Error(err)
				}
			}
		}
		return false
	})
	next.run()
	next.wantAll(want, next.hosts...)
	if d := next.hosts[1].result.Drops; d.Foreign == 0 || d.Forged == 0 {
		t.Errorf("counted %+v", d)
	}
}

// poisoned is a sink's source of trouble: a member of the group sends other bytes
// under the group's own key.
type poisoned struct {
	packetReader
	poison func(multicast.Packet) multicast.Packet
}

func (p *poisoned) Read() ([]multicast.Packet, error) {
	packets, err := p.packetReader.Read()
	for i := range packets {
		packets[i] = p.poison(packets[i])
	}
	return packets, err
}

// TestFault48Insider: packets with the group's own key and other bytes slow a host
// down, and change nothing of what it writes.
func TestFault48Insider(t *testing.T) {
	want := testBytes(8 << 20)
	s := newSession(t, 2, FileSource(bytes.NewReader(want), int64(len(want))))
	var key wire.Welcome
	s.testOnlyWelcome(func(w wire.Welcome) { key = w })
	s.hosts[1].cfg.testOnlyReader = func(r packetReader) packetReader {
		opener, err := wire.NewOpener(key.Key, key.Session, key.Geometry)
		if err != nil {
			t.Fatal(err)
		}
		return &poisoned{r, func(p multicast.Packet) multicast.Packet {
			h, payload, ok := opener.Open(bytes.Clone(p.Data))
			if !ok || h.Type != wire.Data || h.Block%8 != 1 || h.Index != 7 {
				return p
			}
			payload = append([]byte("other"), payload[5:]...)
			p.Data = sealAs(t, key, h, payload)
			return p
		}}
	}
	s.run()
	s.wantAll(want, s.hosts...)
	if r := s.hosts[1].result; r.Counters.BadSegments == 0 || r.Repairs == 0 {
		t.Errorf("the host says %+v", r)
	}
}

// testOnlyWelcome tells the session's WELCOME once there is one.
func (s *session) testOnlyWelcome(f func(wire.Welcome)) { s.send.testOnlyWelcome = f }

// sealAs makes a packet with a header of another's, its counter included.
func sealAs(t *testing.T, w wire.Welcome, h wire.Header, payload []byte) []byte {
	t.Helper()
	sealer, err := wire.NewSealer(w.Key, w.Session)
	if err != nil {
		t.Fatal(err)
	}
	for sealer.Next() < h.Counter {
		if _, err := sealer.Seal(nil, h, nil); err != nil {
			t.Fatal(err)
		}
	}
	d, err := sealer.Seal(nil, h, payload)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestByToken(t *testing.T) {
	want := testBytes(3 << 20)
	s := newSession(t, 2, StreamSource(io.MultiReader(bytes.NewReader(want))))
	s.send.Receivers, s.send.Secret = len(s.hosts), Secret{1, 2, 3}
	for _, h := range s.hosts {
		h.cfg.Secret = s.send.Secret
	}
	s.send.Hosts = nil
	s.run()
	if s.sendErr != nil || s.result.Done() != 2 || s.hosts[0].err != nil || s.hosts[1].err != nil {
		t.Errorf("%v, %+v; %v, %v", s.sendErr, s.result, s.hosts[0].err, s.hosts[1].err)
	}
}

// TestFault7BackByToken: a receiver that died and is started again, with a key of its own
// as each has, counts as one host that has everything (I4).
func TestFault7BackByToken(t *testing.T) {
	want := testBytes(16 << 20)
	s := newSession(t, 3, FileSource(bytes.NewReader(want), int64(len(want))))
	s.send.Hosts, s.send.Receivers, s.send.Secret = nil, 2, Secret{1, 2, 3}
	s.send.MaxRate = 100 * pace.Mbps
	dead, again := s.hosts[1], s.hosts[2]
	again.cfg.LocalIP = dead.cfg.LocalIP
	again.start = dead.ctx.Done() // closed when it has ended
	var die context.CancelFunc
	dead.ctx, die = context.WithCancel(dead.ctx)
	dead.dropIf(after(2000, die))
	for _, h := range s.hosts {
		h.cfg.Secret = s.send.Secret
	}
	s.run()
	if s.sendErr != nil || len(s.result.Hosts) != 2 || s.result.Done() != 2 || s.hosts[0].err != nil || again.err != nil {
		t.Errorf("%v, %+v; %v, %v", s.sendErr, s.result, s.hosts[0].err, again.err)
	}
}

// TestFault1NobodyComes and a sender that is not there end by themselves.
func TestFault1NobodyComes(t *testing.T) {
	s := newSession(t, 1, FileSource(bytes.NewReader(nil), 0))
	s.send.JoinTimeout = 50 * time.Millisecond
	s.hosts[0].absent = true
	s.run()
	if !errors.Is(s.sendErr, ErrNobody) || len(s.result.Hosts) != 1 || s.result.Hosts[0].Text != "did not join" {
		t.Errorf("%v, %+v", s.sendErr, s.result)
	}
	s.hosts[0].cfg.ConnectTimeout = 50 * time.Millisecond
	s.hosts[0].run(t)
	if s.hosts[0].err == nil {
		t.Error("a receiver without a sender is content")
	}
}

// TestFault5SenderIsInterrupted: all are told, and everything ends.
func TestFault5SenderIsInterrupted(t *testing.T) {
	want := testBytes(64 << 20)
	s := newSession(t, 2, FileSource(bytes.NewReader(want), int64(len(want))))
	s.send.MaxRate = 50 * pace.Mbps
	ctx, cancel := context.WithCancel(t.Context())
	s.ctx = ctx
	s.hosts[0].dropIf(after(500, cancel))
	s.run()
	var bye *ByeError
	if !errors.Is(s.sendErr, context.Canceled) || !errors.As(s.hosts[1].err, &bye) || bye.Reason != wire.Interrupted {
		t.Errorf("%v; %v", s.sendErr, s.hosts[1].err)
	}
	if s.result.Elapsed == 0 || s.result.Rate == 0 {
		t.Errorf("it says to have sent nothing: %+v", s.result)
	}
}

// TestFault19ReceiversDiskIsFull: that host fails with the reason, the other has
// all.
func TestFault19ReceiversDiskIsFull(t *testing.T) {
	want := testBytes(8 << 20)
	s := newSession(t, 2, FileSource(bytes.NewReader(want), int64(len(want))))
	full := errors.New("disk full")
	sink := StreamSink(&recorder{fail: full})
	s.hosts[1].sink = &sink
	s.run()
	s.wantAll(want, s.hosts[0])
	if r := s.resultOf(s.hosts[1]); !errors.Is(s.hosts[1].err, full) || r.Done || r.Reason != wire.Local {
		t.Errorf("%v; %+v", s.hosts[1].err, r)
	}
}

// TestFault67SourceBreaks: nobody takes a part for the whole.
func TestFault67SourceBreaks(t *testing.T) {
	broken := errors.New("broken")
	s := newSession(t, 2, StreamSource(io.MultiReader(bytes.NewReader(testBytes(3<<20)), errReader{broken})))
	s.run()
	if !errors.Is(s.sendErr, broken) || s.hosts[0].err == nil || s.hosts[1].err == nil || s.result.Done() > 0 {
		t.Errorf("%v; %v; %v", s.sendErr, s.hosts[0].err, s.hosts[1].err)
	}
}

type errReader struct{ err error }

func (e errReader) Read([]byte) (int, error) { return 0, e.err }

// TestSilentReceiverDoesNotHoldTheStart: one that connects and then says nothing
// is not waited for longer than the time to join.
func TestSilentReceiverDoesNotHoldTheStart(t *testing.T) {
	want := testBytes(1 << 20)
	s := newSession(t, 2, FileSource(bytes.NewReader(want), int64(len(want))))
	s.send.JoinTimeout = enoughToJoin
	mute := s.hosts[1]
	mute.absent = true
	connected := make(chan *conn)
	go func() {
		c, _, _ := dial(t.Context(), mute.cfg.LocalIP, mute.cfg.Sender, receiverTLS(mute.cfg.Identity, mute.cfg.Pin), nil)
		connected <- c
	}()
	s.run()
	if c := <-connected; c == nil {
		t.Error("the silent one was not let in")
	} else {
		c.close(0)
	}
	s.wantAll(want, s.hosts[0])
	if r := s.resultOf(mute); r.Done || r.Reason != wire.Late {
		t.Errorf("the result of the silent one is %+v", r)
	}
	if s.took > 3*time.Second {
		t.Errorf("took %v", s.took)
	}
}

// TestQuorumToBegin: with fewer than the quorum nothing is sent, and all are told.
func TestQuorumToBegin(t *testing.T) {
	want := testBytes(1 << 20)
	s := newSession(t, 3, FileSource(bytes.NewReader(want), int64(len(want))))
	s.send.JoinTimeout, s.send.Quorum = enoughToJoin, 2
	s.hosts[1].absent, s.hosts[2].absent = true, true
	s.run()
	if !errors.Is(s.sendErr, ErrQuorum) || s.result.Packets > 4*wire.MaxCanaries || s.hosts[0].err == nil {
		t.Errorf("%v, %+v; %v", s.sendErr, s.result, s.hosts[0].err)
	}
	s = newSession(t, 3, FileSource(bytes.NewReader(want), int64(len(want))))
	s.send.JoinTimeout, s.send.Quorum = enoughToJoin, 2
	s.hosts[2].absent = true
	s.run()
	s.wantAll(want, s.hosts[:2]...)
}

// TestQuorumToGoOn: a session ends when fewer than the quorum are left.
func TestQuorumToGoOn(t *testing.T) {
	want := testBytes(32 << 20)
	s := newSession(t, 2, FileSource(bytes.NewReader(want), int64(len(want))))
	s.send.MaxRate, s.send.Quorum = 100*pace.Mbps, 2
	s.hosts[1].dropIf(after(1000, s.hosts[1].cancel))
	s.run()
	var bye *ByeError
	if !errors.Is(s.sendErr, ErrQuorum) || !errors.As(s.hosts[0].err, &bye) || bye.Reason != wire.Interrupted {
		t.Errorf("%v; %v", s.sendErr, s.hosts[0].err)
	}
}

// lateWriter takes nothing for a while, as a pipe does whose reader is late.
type lateWriter struct {
	bytes.Buffer
	late time.Duration
}

func (l *lateWriter) Write(p []byte) (int, error) {
	time.Sleep(l.late)
	l.late = 0
	return l.Buffer.Write(p)
}

// TestEverLater: hosts that join in the pass for the late, and in the one for those that
// are later, get what they missed; the last of all over its connection.
func TestEverLater(t *testing.T) {
	want := testBytes(8 << 20)
	s := newSession(t, 4, FileSource(bytes.NewReader(want), int64(len(want))))
	s.send.MaxRate = 50 * pace.Mbps                   // 1.4 s for the main pass, of 5858 packets
	for i, packets := range []int{3000, 3500, 3500} { // more than half: of its own pass
		joins := make(chan struct{})
		s.hosts[i].dropIf(after(packets, sync.OnceFunc(func() { close(joins) })))
		s.hosts[i+1].start = joins
	}
	s.send.JoinTimeout = enoughToJoin
	s.send.Memory = 8 << 20 // a quarter of which is less than what they lack
	s.run()
	s.wantAll(want, s.hosts...)
	if r := s.hosts[3].result; r.Repairs == 0 || r.Detached != wire.Late {
		t.Errorf("%+v", r)
	}
}

// TestFault28LateReader: the session goes on as soon as what is written in order is
// taken again.
func TestFault28LateReader(t *testing.T) {
	want := testBytes(160 << 20)
	s := newSession(t, 2, FileSource(bytes.NewReader(want), int64(len(want))))
	s.send.Slow = Wait
	out := lateWriter{late: 1500 * time.Millisecond}
	sink := StreamSink(&out)
	s.hosts[1].sink = &sink
	s.run()
	s.wantAll(want, s.hosts[0])
	if r := s.resultOf(s.hosts[1]); !r.Done || r.Counters.NoRoom == 0 || !bytes.Equal(out.Bytes(), want) {
		t.Errorf("%+v, %d bytes came out", r, out.Len())
	}
}
