package e2e

import (
	"strings"
	"testing"
	"time"

	"github.com/daisy-mcast/daisy-mcast/pkg/imageset/sample"
	"github.com/daisy-mcast/daisy-mcast/test/lab"
)

// fresh are the bytes of b's blobs that old has not.
func (b bundle) fresh(old bundle) (n int64) {
	for digest, size := range b.blobs {
		if _, has := old.blobs[digest]; !has {
			n += size
		}
	}
	return n
}

// TestPackIsWhatSomebodyLacks: an upgrade that changes one layer of a base image sends
// that layer, and the manifests and configurations that name it; a host that lost a
// blob beside gets that too, and the others throw it away. Then nothing is missing, and
// nothing is sent.
func TestPackIsWhatSomebodyLacks(t *testing.T) {
	t.Parallel()
	f := newFleet(t, fleetConfig{Targets: 3})
	o := sample.Options{LayerSize: 1 << 20, Count: 8, SharedLayers: 4, Seed: 11}
	old := makeBundle(t, o)
	o.Revision, o.ChangedBase = 2, true
	b := makeBundle(t, o)

	r := f.distribute(f.put(old))
	r.wantCode(exitLocal)
	if r.report.PackBytes != old.size() || r.report.SentBytes != old.size() {
		t.Errorf("to empty hosts: a pack of %d, sent %d bytes, want %d", r.report.PackBytes, r.report.SentBytes, old.size())
	}

	path := f.put(b)
	r = f.wantDistributed(path, b)
	want := b.fresh(old)
	if r.report.PackBytes != want || r.report.SentBytes != want {
		t.Errorf("the upgrade: a pack of %d, sent %d bytes, want %d", r.report.PackBytes, r.report.SentBytes, want)
	}
	t.Logf("an upgrade of one of %d base layers under %d images: %d of %d bytes sent, %.1f %%",
		o.SharedLayers, o.Count, r.report.SentBytes, b.size(), 100*float64(r.report.SentBytes)/float64(b.size()))

	lost, size := f.lose("h2", b)
	r = f.wantDistributed(path, b)
	if r.report.SentBytes != size || r.host("h2").Received != size || r.host("h1").Received != 0 {
		t.Errorf("h2 lost %s: sent %d bytes, h2 got %d, h1 %d; want %d, %[5]d, 0",
			lost, r.report.SentBytes, r.host("h2").Received, r.host("h1").Received, size)
	}

	r = f.wantDistributed(path, b)
	if r.report.PackBytes != 0 || r.report.SentBytes != 0 {
		t.Errorf("nothing is missing, and %d bytes were sent", r.report.SentBytes)
	}
}

// lose takes a layer from a host's store, and returns its digest and size.
func (f *fleet) lose(name string, b bundle) (string, int64) {
	f.t.Helper()
	for digest, size := range b.blobs {
		if size < 1<<20 {
			continue
		}
		hex := strings.TrimPrefix(digest, "sha256:")
		f.must(f.Host(name).Shell(f.t.Context(), "rm "+storeDir+"/docker/registry/v2/blobs/sha256/"+hex[:2]+"/"+hex+"/data"))
		return digest, size
	}
	f.t.Fatal("the bundle has no large blob")
	return "", 0
}

// TestFault9KilledWhileLoading: the agent is killed between two images. The host serves
// what it proved, the run says what its engine lacks, and the next one loads only that.
func TestFault9KilledWhileLoading(t *testing.T) {
	t.Parallel()
	f := newFleet(t, fleetConfig{Targets: 1, Engine: lab.DockerKollaLike})
	b := makeBundle(t, sample.Options{LayerSize: bigLayers, Count: 12, Seed: 12})
	path := f.put(b)
	h := f.Host("h1")
	p := f.start("--preload", path)
	ctx := within(t, runTimeout)
	for len(f.loadedImages(h)) == 0 {
		select {
		case <-ctx.Done():
			t.Fatal("no image was loaded")
		case <-time.After(20 * time.Millisecond):
		}
	}
	f.killAgents(h)
	r := f.finish(p)
	r.wantCode(exitFailed)
	f.wantLocal(r, b, h)
	if got := r.host("h1").Preload; got.Reason != "connection lost" {
		t.Errorf("%+v", got)
	}
	had := len(f.loadedImages(h))
	r = f.distribute("--preload", path)
	r.wantCode(exitLocal)
	if got := r.host("h1").Preload; got.Present < 1 || got.Loaded != got.Images-got.Present || got.Images != len(b.tags) || r.report.SentBytes != 0 {
		t.Errorf("it had %d images: %+v, %d bytes sent", had, got, r.report.SentBytes)
	}
	f.wantPreloaded(h, "docker", b, b.references())
}

// loadedImages are the names of the set's images in a host's engine.
func (f *fleet) loadedImages(h *lab.Host) []string {
	r := h.Run(within(f.t, 20*time.Second), "docker", "images", "--format", "{{.Repository}}:{{.Tag}}", hostRegistry+"/*/*")
	return strings.Fields(r.Stdout)
}
