package deploy

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"net/netip"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/daisy-mcast/daisy-mcast/pkg/agent/message"
	"github.com/daisy-mcast/daisy-mcast/pkg/progress"
	"github.com/daisy-mcast/daisy-mcast/pkg/registry"
	"github.com/daisy-mcast/daisy-mcast/pkg/remote/local"
	"github.com/daisy-mcast/daisy-mcast/pkg/store"
)

// A miser is an agent that keeps nothing of what it is sent, so that what is in
// memory is the deploy server's. It reads the frames of pkg/control itself.
type miser struct {
	results map[string]string // by method: the result's JSON
	taken   *atomic.Int64     // bytes of requests, of all misers together
	given   *atomic.Int64     // bytes of lists of what is missing
}

func (m miser) serve(in io.Reader, out io.Writer) {
	_, _ = io.WriteString(out, "DMCTRL\x00\x01")
	const head = 14 // length, type, flags, call
	frame := make([]byte, head)
	method := make([]byte, 32)
	for {
		if _, err := io.ReadFull(in, frame); err != nil {
			return
		}
		size := int64(binary.BigEndian.Uint32(frame)) - 10
		n := min(size, int64(len(method)))
		if _, err := io.ReadFull(in, method[:n]); err != nil {
			return
		}
		if _, err := io.CopyN(io.Discard, in, size-n); err != nil {
			return
		}
		m.taken.Add(size)
		_, name, _ := strings.Cut(string(method[:n]), `{"method":"`)
		name, _, _ = strings.Cut(name, `"`)
		body := fmt.Sprintf(`{"body":%s}`, m.results[name])
		if name == message.CallList {
			m.given.Add(int64(len(body)))
		}
		frame[4] = 2 // a response
		binary.BigEndian.PutUint32(frame, uint32(10+len(body)))
		if _, err := out.Write(append(frame[:head:head], body...)); err != nil {
			return
		}
	}
}

func kollaSizedSet(t *testing.T) *store.Set {
	t.Helper()
	var blobs []store.Blob
	for i := range 3000 {
		blobs = append(blobs, store.Blob{Digest: store.DigestOf(fmt.Append(nil, i)), Size: 1 << 20})
	}
	var images []store.Image
	for i := range 200 {
		images = append(images, store.Image{Repository: fmt.Sprintf("kolla/centos-source-image-%d", i), Tag: "6.0.0", Manifest: blobs[i].Digest})
	}
	set, err := store.NewSet(images, blobs, []string{"amd64"}, store.Release{Tag: "6.0.0"}, time.Unix(0, 0).UTC())
	if err != nil {
		t.Fatal(err)
	}
	return set
}

// TestThousandHosts runs the main job's deploy side for a thousand hosts and a set of
// 200 images and 3000 blobs. Half of the hosts lack all, the others every hundredth
// blob, each others. It bounds what the run has in memory and how many goroutines,
// and tells what it took.
func TestThousandHosts(t *testing.T) {
	const hosts = 1000
	set := kollaSizedSet(t)
	var taken, given atomic.Int64
	text := func(v any) string {
		b, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	cfg := newBench(t, 0).cfg
	cfg.Timeout = 5 * time.Minute
	for i := range hosts {
		name := fmt.Sprintf("host%d", i)
		cfg.Hosts = append(cfg.Hosts, Host{Name: name, Address: hostAddr(i), Remote: local.New(name)})
	}
	r := newRun(cfg)
	r.files = 0 // nothing is opened here
	common := map[string]string{
		message.CallImport:  text(message.ImportResult{Set: set}),
		message.CallCentral: text(registry.Upstream{URL: "https://10.0.0.1:4000", CA: []byte("ca")}),
		message.CallListen:  "{}", message.CallActivate: "{}", message.CallVerify: "{}",
		message.CallServe:   text(message.Served{Mode: "container"}),
		message.CallSend:    text(message.SendResult{Bytes: set.TotalSize()}),
		message.CallReceive: text(message.ReceiveResult{Bytes: set.TotalSize()}),
	}
	index := make(map[*host]int)
	for i, h := range r.hosts {
		index[h] = i
	}
	r.dial = func(_ context.Context, h *host) (agentSession, io.Reader, io.Writer, error) {
		m := miser{results: map[string]string{}, taken: &taken, given: &given}
		for k, v := range common {
			m.results[k] = v
		}
		i, isTarget := index[h]
		addr := netip.MustParseAddr("10.0.0.1")
		if isTarget {
			addr = hostAddr(i)
		}
		var missing message.Indexes
		for b := range set.Blobs {
			if i%2 == 0 || (b+i)%100 == 0 {
				missing.Add(b)
			}
		}
		m.results[message.CallSetup] = text(message.Facts{Hostname: fmt.Sprint("h", i, isTarget), Machine: fmt.Sprint(i, isTarget), Architecture: "amd64", Addresses: []netip.Addr{addr}})
		m.results[message.CallList] = text(message.Have{Missing: missing})
		m.results[message.CallCheck] = text(message.CheckResult{LocalIP: addr})
		inR, inW := io.Pipe()
		outR, outW := io.Pipe()
		s := &fakeSession{in: inW, out: outR, done: make(chan struct{})}
		go func() {
			defer close(s.done)
			m.serve(inR, outW)
			outW.Close()
		}()
		return s, outR, inW, nil
	}
	r.accept.Do(func() { close(r.accepts) }) // the sender takes receivers at once

	runtime.GC()
	var before runtime.MemStats
	runtime.ReadMemStats(&before)
	var peakHeap, peakGoroutines atomic.Int64
	stop := make(chan struct{})
	var watching sync.WaitGroup
	watching.Go(func() {
		for {
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			peakHeap.Store(max(peakHeap.Load(), int64(m.HeapAlloc)-int64(before.HeapAlloc)))
			peakGoroutines.Store(max(peakGoroutines.Load(), int64(runtime.NumGoroutine())))
			select {
			case <-stop:
				return
			case <-time.After(10 * time.Millisecond):
			}
		}
	})
	begun := time.Now()
	rep, err := r.whole(t.Context())
	took := time.Since(begun)
	close(stop)
	watching.Wait()
	if err != nil || rep.Outcome(progress.Local) != hosts || rep.PackBytes != set.TotalSize() {
		t.Fatalf("%+v, pack %d: %v", rep.Counts, rep.PackBytes, err)
	}
	t.Logf("%d hosts, %d blobs: %v, %d MiB of heap at most, %d goroutines; %d bytes of requests to a host, %d of its list of what is missing",
		hosts, len(set.Blobs), took.Round(time.Millisecond), peakHeap.Load()>>20, peakGoroutines.Load(), taken.Load()/hosts, given.Load()/hosts)
	// The list is in memory once: for every host it would be 300 MB. What a host has
	// of its own is some 20 KB here, garbage twice that.
	if got := peakHeap.Load(); got > 128<<20 {
		t.Errorf("%d MiB of heap", got>>20)
	}
	// Of the agents' side one for each host, of ours the connection's and a call's
	// two, and the step's.
	if got := peakGoroutines.Load(); got > 8*hosts {
		t.Errorf("%d goroutines", got)
	}
	if got := given.Load() / hosts; got > 500 {
		t.Errorf("a host takes %d bytes to say what it lacks", got)
	}
}

func hostAddr(i int) netip.Addr {
	return netip.AddrFrom4([4]byte{10, 1, byte(i / 200), byte(10 + i%200)})
}
