package agent

import (
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/daisy-mcast/daisy-mcast/pkg/agent/message"
	"github.com/daisy-mcast/daisy-mcast/pkg/control"
	"github.com/daisy-mcast/daisy-mcast/pkg/imageset"
	"github.com/daisy-mcast/daisy-mcast/pkg/jasmine"
	"github.com/daisy-mcast/daisy-mcast/pkg/store"
)

// The main job's calls, one after the other: both hosts end with the whole set,
// proven over HTTP, although one needed only a part of it.
func TestR7FromBundleToVerifiedRegistries(t *testing.T) {
	f := newFleet(t, 2)
	full, part := f.hosts[0], f.hosts[1]
	if got := full.list(f.set, f.upstream); !slices.Equal(got, f.pack().List()) {
		t.Fatalf("an empty host lacks %v", got)
	}
	part.list(f.set, f.upstream)
	copyBlobs(t, f, part, 3)
	missing := part.list(f.set, f.upstream)
	if len(missing) != len(f.set.Blobs)-3 {
		t.Fatalf("it has 3 of %d blobs and lacks %v", len(f.set.Blobs), missing)
	}
	for _, h := range f.hosts {
		h.must(message.CallServe, message.Serve{}, nil)
	}

	sent, got, err := f.transfer(f.pack())
	if err != nil || sent.Bytes != f.set.TotalSize() || len(sent.Clients) != 0 {
		t.Fatalf("sent %+v, %v", sent, err)
	}
	for i, r := range got {
		if r.Problem != nil || r.Missing.Len() != 0 || r.Bytes != f.set.TotalSize() || r.Packets == 0 {
			t.Errorf("host %d: %+v", i, r)
		}
		if r.RepairedBytes > r.Bytes || (r.Repaired == 0) != (r.RepairedBytes == 0) {
			t.Errorf("host %d: %d packets, %d bytes repaired of %d", i, r.Repaired, r.RepairedBytes, r.Bytes)
		}
	}
	for _, h := range f.hosts {
		for _, want := range []bool{true, false} { // the second time there is nothing to change
			var activated message.Activated
			h.must(message.CallActivate, message.Activate{SetID: f.set.ID}, &activated)
			if activated.Changed != want {
				t.Errorf("activating changed it: %v, want %v", activated.Changed, want)
			}
		}
		h.must(message.CallVerify, message.Verify{SetID: f.set.ID}, nil)
		if _, mode, err := h.store().Current(); err != nil || mode != store.ModeWhole {
			t.Errorf("mode %v, %v", mode, err)
		}
	}
}

// copyBlobs puts the first n blobs of the set into a host's store.
func copyBlobs(t *testing.T, f *fleet, to *node, n int) {
	t.Helper()
	from, err := store.Open(filepath.Join(f.sender.setup.BaseDir, "store"))
	if err != nil {
		t.Fatal(err)
	}
	st, err := store.Create(store.Config{Dir: to.storeDir()})
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	for _, b := range f.set.Blobs[:n] {
		raw, err := from.ReadBlob(b.Digest, b.Size)
		if err != nil {
			t.Fatal(err)
		}
		w, err := st.NewBlob(b)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(raw); err != nil {
			t.Fatal(err)
		}
		if err := w.Commit(); err != nil {
			t.Fatal(err)
		}
	}
}

// A host that got nothing leans: tags are the new set's at once, and bytes come
// through its own registry from the central one.
func TestR9LeanHostServesTheNewSet(t *testing.T) {
	f := newFleet(t, 1)
	h := f.hosts[0]
	h.list(f.set, f.upstream)
	h.must(message.CallServe, message.Serve{}, nil)
	h.refuses(message.CallActivate, message.Activate{SetID: f.set.ID}, message.ReasonStore, "missing")
	h.must(message.CallActivate, message.Activate{SetID: f.set.ID, Lean: true}, nil)
	h.must(message.CallVerify, message.Verify{SetID: f.set.ID, Lean: true}, nil)
	h.refuses(message.CallVerify, message.Verify{SetID: f.set.ID}, message.ReasonVerify, "upstream")
	if _, mode, err := h.store().Current(); err != nil || mode != store.ModeLean {
		t.Errorf("mode %v, %v", mode, err)
	}
}

// newServing is a fleet of one host, which has all of the set and serves it.
func newServing(t *testing.T) (*fleet, *node) {
	t.Helper()
	f := newFleet(t, 1)
	h := f.hosts[0]
	h.list(f.set, f.upstream)
	copyBlobs(t, f, h, len(f.set.Blobs))
	h.must(message.CallServe, message.Serve{}, nil)
	h.must(message.CallActivate, message.Activate{SetID: f.set.ID}, nil)
	return f, h
}

// A blob that rotted between two runs is found before anything is served of the
// set, and is missing in the run that finds it: that run brings it.
func TestFault24CorruptBlobIsSentByTheRunThatFindsIt(t *testing.T) {
	f, h := newServing(t)
	h.must(message.CallVerify, message.Verify{SetID: f.set.ID}, nil)
	layer := largest(f.set)
	spoil(t, h.storeDir(), layer)
	if got := h.list(f.set, f.upstream); len(got) != 1 || f.set.Blobs[got[0]] != layer {
		t.Errorf("it lacks %v, want the corrupt blob", got)
	}
	h.refuses(message.CallActivate, message.Activate{SetID: f.set.ID}, message.ReasonStore, string(layer.Digest))
	copyBlobs(t, f, h, len(f.set.Blobs))
	h.must(message.CallActivate, message.Activate{SetID: f.set.ID}, nil)
	h.must(message.CallVerify, message.Verify{SetID: f.set.ID}, nil)
}

// A blob that rots on a host's disk is found by the proof and taken out, so that
// it comes from the central registry and is sent again.
func TestFault24CorruptBlobIsRemoved(t *testing.T) {
	f, h := newServing(t)
	layer := largest(f.set)
	spoil(t, h.storeDir(), layer)
	h.refuses(message.CallVerify, message.Verify{SetID: f.set.ID}, message.ReasonVerify, string(layer.Digest))
	if got := h.list(f.set, f.upstream); len(got) != 1 || f.set.Blobs[got[0]] != layer {
		t.Errorf("it lacks %v afterwards, want the corrupt blob", got)
	}
	h.mu.Lock()
	noted := slices.ContainsFunc(h.notes, func(n string) bool { return strings.Contains(n, string(layer.Digest)) })
	h.mu.Unlock()
	if !noted {
		t.Errorf("the operator is not told: %q", h.notes)
	}
	h.must(message.CallActivate, message.Activate{SetID: f.set.ID, Lean: true}, nil)
	h.must(message.CallVerify, message.Verify{SetID: f.set.ID, Lean: true}, nil)
}

func largest(set *store.Set) store.Blob {
	return slices.MaxFunc(set.Blobs, func(a, b store.Blob) int { return int(a.Size - b.Size) })
}

// spoil changes a byte of a blob on disk.
func spoil(t *testing.T, dir string, b store.Blob) {
	t.Helper()
	st, err := store.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	f, _, err := st.OpenBlob(b.Digest)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	w, err := os.OpenFile(f.Name(), os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	if _, err := w.WriteAt([]byte{0xff, 0xfe, 0xfd, 0xfc}, b.Size/2); err != nil {
		t.Fatal(err)
	}
}

// A blob that changes on the sender ends the sending, and no host keeps it.
func TestFault67BlobChangesOnTheSender(t *testing.T) {
	f := newFleet(t, 1)
	h := f.hosts[0]
	h.list(f.set, f.upstream)
	layer := largest(f.set)
	spoil(t, filepath.Join(f.sender.setup.BaseDir, "store"), layer)
	_, got, err := f.transfer(f.pack())
	if reason := reasonOf(err); reason != message.ReasonStore || !strings.Contains(err.Error(), string(layer.Digest)) {
		t.Errorf("sender: %q, %v", reason, err)
	}
	if got[0].Problem == nil || !slices.ContainsFunc(got[0].Missing.List(), func(i int) bool { return f.set.Blobs[i] == layer }) {
		t.Errorf("host: %+v", got[0])
	}
}

func TestReceiveProblems(t *testing.T) {
	for want, c := range map[string]struct {
		got imageset.SinkResult
		err error
	}{
		"":                       {},
		message.ReasonDisk:       {imageset.SinkResult{Err: &os.PathError{Op: "write", Path: "x", Err: syscall.ENOSPC}}, nil},
		message.ReasonStore:      {imageset.SinkResult{Err: syscall.EIO}, jasmine.ErrServerClosed},
		message.ReasonMulticast:  {imageset.SinkResult{}, errNoMulticast},
		message.ReasonTransfer:   {imageset.SinkResult{}, jasmine.ErrServerClosed},
		message.ReasonDigest:     {imageset.SinkResult{Bad: []store.Digest{"sha256:x"}}, nil},
		message.ReasonDisk + " ": {imageset.SinkResult{}, &jasmine.OutputError{Err: syscall.EDQUOT}},
	} {
		p := receiveProblem(c.got, c.err)
		if p == nil {
			p = &message.Problem{}
		}
		if p.Reason != strings.TrimSpace(want) {
			t.Errorf("%+v, %v: got %q, want %q", c.got, c.err, p.Reason, want)
		}
	}
}

// Nobody sends: that is a connection's fault, not the multicast's.
func TestNoSenderIsNotNoMulticast(t *testing.T) {
	f := newFleet(t, 1)
	h := f.hosts[0]
	h.list(f.set, f.upstream)
	f.carrier.Sender = netip.MustParseAddrPort("255.255.255.255:1") // nobody has it
	var got message.ReceiveResult
	h.must(message.CallReceive, message.Receive{Carrier: f.carrier, LocalIP: hostAddress(0), SetID: f.set.ID, Pack: f.pack()}, &got)
	if got.Problem == nil || got.Problem.Reason != message.ReasonTransfer || got.Missing.Len() != len(f.set.Blobs) {
		t.Errorf("got %+v", got)
	}
}

func TestProbesAreLetGo(t *testing.T) {
	f := newFleet(t, 0)
	listen := message.Listen{Carrier: f.carrier}
	f.sender.must(message.CallListen, listen, nil)
	f.sender.must(message.CallListen, listen, nil) // the first is dropped
	for range 3 {
		if p := checkSender(t.Context(), f.carrier.Sender); p != nil {
			t.Errorf("a probe: %+v", p)
		}
	}
	other := newNode(t, t.TempDir(), senderAddress)
	other.refuses(message.CallListen, listen, message.ReasonSender, "is taken")
	f.sender.end()
	other.must(message.CallListen, listen, nil)
}

func reasonOf(err error) string {
	var answered *control.Error
	if errors.As(err, &answered) {
		return answered.Reason
	}
	return ""
}
