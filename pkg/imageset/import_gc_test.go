package imageset

import (
	"archive/tar"
	"bytes"
	"strings"
	"testing"

	"github.com/daisy-mcast/daisy-mcast/pkg/imageset/sample"
)

// GC runs in the middle of an import through the same store, and drops the set
// with which the bundle that is being read shares its layers.
func TestImportBesideGCOfTheSameStore(t *testing.T) {
	st := newStore(t)
	old := mustImport(t, st, bundleOf(t, sample.Options{Count: 2, LayerSize: 3000, Tag: "5.0.0"}))
	current := mustImport(t, st, bundleOf(t, sample.Options{Count: 2, LayerSize: 10, Seed: 1}))
	if err := st.Activate(current.ID); err != nil {
		t.Fatal(err)
	}
	// The links come after all blobs: at the first of them every blob was taken.
	im := newImporter(st, ImportOptions{})
	files := unpackBundle(t, bundleOf(t, sample.Options{Count: 2, LayerSize: 3000, Revision: 1, Changed: []string{"centos-source-mariadb"}}))
	i := files.find(t, func(name string) bool { return strings.HasSuffix(name, "/link") })
	bundle := &tarEntries{tr: tar.NewReader(bytes.NewReader(files.tar(t)))}
	list := &pausedEntries{entries: bundle, at: i, pause: func() {
		if err := im.commits.wait(); err != nil {
			t.Error(err)
		}
		if res, err := st.GC(1); err != nil || len(res.Sets) != 1 || res.Sets[0] != old.ID {
			t.Errorf("GC: %+v, %v", res, err)
		}
	}}
	set, err := im.run(t.Context(), list, func() error { return nil })
	if err != nil {
		t.Fatal(err)
	}
	if n := len(st.Missing(set)); n > 0 {
		t.Errorf("GC took %d blobs of the set", n)
	}
	if err := st.Activate(set.ID); err != nil {
		t.Error(err)
	}
}

// pausedEntries calls pause before the entry with index at.
type pausedEntries struct {
	entries
	at    int
	pause func()
}

func (p *pausedEntries) next() (entry, error) {
	if p.at == 0 {
		p.pause()
	}
	p.at--
	return p.entries.next()
}
