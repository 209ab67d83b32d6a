package imageset

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/daisy-mcast/daisy-mcast/pkg/store"
)

// FuzzImport: whatever comes, an import ends, with a whole set or with nothing,
// and writes nowhere else.
func FuzzImport(f *testing.F) {
	o := small()
	o.LayerSize = 100
	bundle := bundleOf(f, o)
	files := unpackBundle(f, bundle)
	f.Add(bundle)
	f.Add(files.tar(f))
	f.Add(files[:5].tar(f))
	f.Add(addFile(files, "../x", "y").tar(f))
	f.Add([]byte{0x28, 0xb5, 0x2f, 0xfd, 0, 0, 0, 0})
	f.Fuzz(func(t *testing.T, bundle []byte) {
		dir := t.TempDir()
		st, err := store.Create(store.Config{Dir: filepath.Join(dir, "store")})
		if err != nil {
			t.Fatal(err)
		}
		defer st.Close()
		set, err := importBytes(st, bundle)
		if err == nil {
			if err := st.Activate(set.ID); err != nil {
				t.Fatalf("a set that was taken cannot be activated: %v", err)
			}
			if err := st.VerifyBlobs(context.Background(), set.Blobs, 1); err != nil {
				t.Fatal(err)
			}
		} else {
			checkEmpty(t, st)
		}
		if list, err := os.ReadDir(dir); err != nil || len(list) != 1 {
			t.Fatalf("written outside the store: %v, %v", list, err)
		}
	})
}

// FuzzPlace: a name that is accepted can be written into a registry's directory
// and nowhere else.
func FuzzPlace(f *testing.F) {
	hex := store.DigestOf(nil).Hex()
	for _, name := range []string{
		"tmp/registry/docker/registry/v2/blobs/sha256/" + hex[:2] + "/" + hex + "/data",
		"docker/registry/v2/repositories/kolla/x/_manifests/tags/6.0.0/current/link",
		"docker/registry/v2/repositories/kolla/x/_manifests/tags/6.0.0/index/sha256/" + hex + "/link",
		"docker/registry/v2/repositories/kolla/x/_manifests/revisions/sha256/" + hex + "/link",
		"docker/registry/v2/repositories/kolla/x/_layers/sha256/" + hex + "/link",
		"docker/registry/v2/repositories/kolla/x/_uploads/1/data", "../x", "/x", "registry-1-2.version",
	} {
		f.Add(name)
	}
	f.Fuzz(func(t *testing.T, name string) {
		clean, err := cleanName(name)
		if err != nil {
			return
		}
		if !filepath.IsLocal(clean) || strings.ContainsRune(clean, 0) {
			t.Fatalf("%q leads elsewhere", clean)
		}
		_, rest, inside := splitPrefix(clean)
		if !inside {
			return
		}
		p, err := placeInside(rest)
		if err != nil || p.kind == kindUpload {
			return
		}
		if p.repo != "" && !store.ValidRepository(p.repo) || p.tag != "" && !store.ValidTag(p.tag) ||
			p.digest != "" && p.digest.Hex() == "" {
			t.Fatalf("%q is %+v", name, p)
		}
	})
}
