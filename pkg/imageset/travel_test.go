package imageset

import (
	"context"
	"io"
	"testing"

	"github.com/daisy-mcast/daisy-mcast/pkg/imageset/sample"
	"github.com/daisy-mcast/daisy-mcast/pkg/store"
)

// The whole way: a bundle into one store, its pack through a sink into another,
// the set active on both.
func TestBundleTravelsFromStoreToStore(t *testing.T) {
	from, to := newStore(t), newStore(t)
	set := mustImport(t, from, bundleOf(t, sample.Options{Program: []byte("ELF")}))
	if len(set.Images) != 3 || len(set.Architectures) != 1 || set.Release.Tag != "6.0.0" || set.Release.Branch != "stable/queens" {
		t.Fatalf("set is %+v", set)
	}
	if err := from.Activate(set.ID); err != nil {
		t.Fatal(err)
	}
	pack, err := NewPack(set.Blobs)
	if err != nil {
		t.Fatal(err)
	}
	if err := to.PutSet(set); err != nil {
		t.Fatal(err)
	}
	if err := to.Lean(set.ID); err != nil {
		t.Fatal(err)
	}
	sink := NewSink(pack, to, nil)
	r := pack.Reader(from)
	defer r.Close()
	if n, err := io.Copy(sink, r); err != nil || n != pack.Size() {
		t.Fatalf("copied %d of %d bytes: %v", n, pack.Size(), err)
	}
	if err := sink.Close(); err != nil {
		t.Fatal(err)
	}
	if res := sink.Result(); len(res.Committed) != len(set.Blobs) || res.Bad != nil || res.Missing != nil || res.Err != nil {
		t.Fatalf("result is %+v", res)
	}
	if err := to.Activate(set.ID); err != nil {
		t.Fatal(err)
	}
	if err := to.VerifyBlobs(context.Background(), set.Blobs, 2); err != nil {
		t.Fatal(err)
	}
	got, mode, err := to.Current()
	if err != nil || got.ID != set.ID || mode != store.ModeWhole {
		t.Fatalf("current is %v, %v, %v", got, mode, err)
	}
	d, err := to.ResolveTag("kolla/centos-source-keystone", "6.0.0")
	if want, ok := set.Lookup("kolla/centos-source-keystone", "6.0.0"); err != nil || !ok || d != want {
		t.Fatalf("tag is %v, want %v: %v", d, want, err)
	}
}
