package agent

import (
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/daisy-mcast/daisy-mcast/pkg/agent/message"
	"github.com/daisy-mcast/daisy-mcast/pkg/imageset/sample"
	"github.com/daisy-mcast/daisy-mcast/pkg/origin"
	"github.com/daisy-mcast/daisy-mcast/pkg/registry"
	"github.com/daisy-mcast/daisy-mcast/pkg/store"
	"github.com/daisy-mcast/daisy-mcast/test/port"
)

func TestSetup(t *testing.T) {
	dir := t.TempDir()
	m := startAgent(t)
	m.refuses(message.CallList, message.List{}, "", "no setup call came before")
	m.refuses(message.CallSetup, message.Setup{BaseDir: "relative"}, "", "not absolute")
	var here, there message.Facts
	m.must(message.CallSetup, message.Setup{BaseDir: dir}, &here)
	m.must(message.CallSetup, message.Setup{BaseDir: dir + "/other"}, &there)
	if here.Hostname == "" || here.Architecture != runtime.GOARCH || here.Machine == there.Machine || len(here.Machine) != 32 {
		t.Errorf("got %+v and %+v", here, there)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 0 {
		t.Errorf("setup has made %v, %v", left, err)
	}
}

// A list that a host cannot take makes it stale: it would answer with old tags.
func TestR9ListThatCannotBeTaken(t *testing.T) {
	m := newNode(t, t.TempDir(), senderAddress)
	up := registry.Upstream{URL: "https://192.0.2.1:4000"}
	set := m.imported(writeBundle(t, sample.Options{LayerSize: 1 << 10}))
	forged := *set
	forged.ID = strings.Repeat("0", len(set.ID))
	// The ID is over all that the set lists: no blob can be slipped in beside it.
	other := *set
	other.Blobs = append(append([]store.Blob{}, set.Blobs...), store.Blob{Digest: "sha256:" + store.Digest(strings.Repeat("f", 64)), Size: 1})
	empty := store.Set{}
	for name, s := range map[string]*store.Set{"none": nil, "without images": &empty, "another ID": &forged, "another blob": &other} {
		err := m.call(message.CallList, message.List{Set: s, Upstream: up}, nil)
		if reasonOf(err) != message.ReasonStale {
			t.Errorf("%s: %v", name, err)
		}
	}
	m.refuses(message.CallList, message.List{Set: set, Upstream: registry.Upstream{URL: "http://192.0.2.1"}}, message.ReasonStale, "loopback")
	var have message.Have
	m.must(message.CallList, message.List{Set: set, Shared: true}, &have)
	if have.Missing.Len() != 0 {
		t.Errorf("a shared store lacks %v", have.Missing)
	}
	if _, err := os.Stat(registry.UpstreamPath(m.storeDir())); err == nil {
		t.Error("a shared registry was given itself to lean on")
	}
}

// What no deploy server of ours asks is refused, and the agent goes on.
func TestFault52InvalidRequests(t *testing.T) {
	m := newNode(t, t.TempDir(), senderAddress)
	set := m.imported(writeBundle(t, sample.Options{LayerSize: 1 << 10}))
	jasmine := message.Carrier{Protocol: "jasmine", Sender: netip.AddrPortFrom(netip.MustParseAddr(senderAddress), port.Free(t))}
	for _, c := range []struct {
		method string
		req    any
		word   string
	}{
		{message.CallSend, message.Send{Carrier: jasmine, SetID: set.ID, Pack: message.IndexesOf(len(set.Blobs))}, "indexes"},
		{message.CallReceive, map[string]any{"pack": []byte{1, 0, 0xff, 0xff, 0xff, 0xff, 0x7f}}, "at most"},
		{message.CallReceive, map[string]any{"pack": []int{-1}}, "decoding"},
		{message.CallPreload, message.Preload{SetID: set.ID, Images: message.IndexesOf(len(set.Images))}, "indexes"},
		{message.CallReceive, message.Receive{Carrier: message.Carrier{Protocol: "pigeon"}, SetID: set.ID}, "pigeon"},
		{message.CallListen, message.Listen{Carrier: message.Carrier{Protocol: "pigeon"}}, "pigeon"},
		{message.CallSend, message.Send{Carrier: jasmine, SetID: set.ID, Pack: message.IndexesOf(0)}, "no listen call"},
		{"dance", message.Empty{}, "unknown call"},
		{message.CallSetup, "text", "decoding"},
		{message.CallImport, "text", "decoding"},
	} {
		err := m.call(c.method, c.req, nil)
		if err == nil || !strings.Contains(err.Error(), c.word) {
			t.Errorf("%s %+v: got %v, want %q", c.method, c.req, err, c.word)
		}
	}
	for _, id := range []string{"", "../../etc/passwd", strings.Repeat("a", 64)} {
		for method, req := range map[string]any{
			message.CallCheck:    message.Check{SetID: id},
			message.CallActivate: message.Activate{SetID: id, Lean: true},
			message.CallVerify:   message.Verify{SetID: id},
			message.CallSend:     message.Send{SetID: id},
			message.CallReceive:  message.Receive{SetID: id},
			message.CallCentral:  message.Central{SetID: id},
			message.CallReach:    message.Reach{SetID: id},
		} {
			if err := m.call(method, req, nil); reasonOf(err) != message.ReasonStore {
				t.Errorf("%s of set %q: %v", method, id, err)
			}
		}
	}
}

func TestFault66BadBundles(t *testing.T) {
	m := newNode(t, t.TempDir(), senderAddress)
	whole, err := os.ReadFile(writeBundle(t, sample.Options{LayerSize: 1 << 10}))
	if err != nil {
		t.Fatal(err)
	}
	flipped := append([]byte{}, whole...)
	flipped[len(flipped)/2] ^= 1
	for name, bytes := range map[string][]byte{"cut": whole[:len(whole)-100], "flipped": flipped, "empty": nil} {
		path := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(path, bytes, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := m.call(message.CallImport, message.Import{Path: path}, nil); reasonOf(err) != message.ReasonBundle {
			t.Errorf("%s: %v", name, err)
		}
	}
	m.refuses(message.CallImport, message.Import{Path: "/nowhere"}, message.ReasonBundle, "/nowhere")
}

// The choice that the operator made holds on the sender: a part of the images, and
// none that are not signed.
func TestImportOfAChoice(t *testing.T) {
	m := newNode(t, t.TempDir(), senderAddress)
	path := writeBundle(t, sample.Options{LayerSize: 1 << 10})
	var res message.ImportResult
	m.must(message.CallImport, message.Import{Path: path, Choice: message.Choice{Images: []string{"*-keystone"}}}, &res)
	if len(res.Set.Images) != 1 || !strings.HasSuffix(res.Set.Images[0].Repository, "-keystone") {
		t.Errorf("got %+v", res.Set.Images)
	}
	const key = "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=\n-----END PUBLIC KEY-----\n"
	m.refuses(message.CallImport, message.Import{Path: path, Choice: message.Choice{Key: []byte(key)}}, message.ReasonBundle, "not signed")
	m.refuses(message.CallImport, message.Import{Path: path, Choice: message.Choice{Key: []byte("x")}}, message.ReasonBundle, "public key")
	m.refuses(message.CallImport, message.Import{Path: path, Choice: message.Choice{DemandSum: true}}, message.ReasonBundle, "sha512sum")
	m.refuses(message.CallImport, message.Import{Origin: &origin.Config{URL: "registry://127.0.0.1:1"}}, message.ReasonBundle, "127.0.0.1:1")
}

// A sender elsewhere gets the bundle's bytes over its session.
func TestR4BundleOverTheSession(t *testing.T) {
	path := writeBundle(t, sample.Options{LayerSize: 1 << 10})
	want := newNode(t, t.TempDir(), senderAddress).imported(path)
	far := newNode(t, t.TempDir(), senderAddress)
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var res message.ImportResult
	if err := far.client.CallStream(t.Context(), message.CallImport, message.Import{}, f, &res); err != nil {
		t.Fatal(err)
	}
	if res.Set == nil || res.Set.ID != want.ID {
		t.Errorf("got %+v, want the set of the file", res.Set)
	}
}

// Two runs on one sender: the second is told who is there.
func TestFault50TwoRunsOnOneSender(t *testing.T) {
	dir := t.TempDir()
	bundle := writeBundle(t, sample.Options{LayerSize: 1 << 10})
	first, second := newNode(t, dir, senderAddress), newNode(t, dir, senderAddress)
	req := message.Import{Path: bundle, By: "pid 4711 on deploy1"}
	first.must(message.CallImport, req, nil)
	first.must(message.CallImport, req, nil) // its own lock is no obstacle
	second.refuses(message.CallImport, message.Import{Path: bundle, By: "pid 1"}, message.ReasonBusy, "pid 4711 on deploy1")
	newNode(t, t.TempDir(), senderAddress).must(message.CallImport, req, nil)
	first.end()
	second.must(message.CallImport, req, nil)
}
