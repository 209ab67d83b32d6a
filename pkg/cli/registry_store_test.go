package cli

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/daisy-mcast/daisy-mcast/pkg/imageset"
	"github.com/daisy-mcast/daisy-mcast/pkg/imageset/sample"
	"github.com/daisy-mcast/daisy-mcast/pkg/store"
)

// makeSampleStore is `sample-store DIR SETS`: a store with so many sets of two
// images, one hour after the other, the last one served. $SHARED and $OWN become
// the digests of a layer that all images have and of one that only the last
// set's keystone has, $SHARED_FILE and $OWN_FILE the files that hold them, $SET
// the last set's ID.
func makeSampleStore(ts *testscript.TestScript, negated bool, args []string) {
	if negated || len(args) != 2 {
		ts.Fatalf("usage: sample-store DIR SETS")
	}
	n, err := strconv.Atoi(args[1])
	ts.Check(err)
	st, err := store.Create(store.Config{Dir: ts.MkAbs(args[0])})
	ts.Check(err)
	defer st.Close()
	var last *store.Set
	for i := range n {
		var b bytes.Buffer
		ts.Check(sample.Write(&b, sample.Options{Count: 2, LayerSize: 1000, SharedLayers: 1, Revision: uint64(i)}))
		last, err = imageset.ImportStream(context.Background(), &b, st, imageset.ImportOptions{})
		ts.Check(err)
		ts.Check(st.Activate(last.ID))
		used := time.Now().Add(time.Duration(i-n) * time.Hour)
		ts.Check(os.Chtimes(filepath.Join(st.OwnDir(), "sets", last.ID+".json"), used, used))
	}
	raw, err := st.ReadBlob(last.Images[0].Manifest, store.MaxManifest)
	ts.Check(err)
	m, err := store.ParseManifest(raw)
	ts.Check(err)
	ts.Setenv("SET", last.ID)
	for name, d := range map[string]store.Digest{"SHARED": m.Layers[0].Digest, "OWN": m.Layers[len(m.Layers)-1].Digest} {
		ts.Setenv(name, string(d))
		ts.Setenv(name+"_FILE", filepath.Join(st.Dir(), store.RegistryRoot, "blobs/sha256", d.Hex()[:2], d.Hex(), "data"))
	}
}
