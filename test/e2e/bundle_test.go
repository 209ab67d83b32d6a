package e2e

import (
	"archive/tar"
	"compress/gzip"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/daisy-mcast/daisy-mcast/pkg/imageset/sample"
)

// A bundle is a file like Daisy's, and what a reader who knows only registry:2's
// layout finds in it.
type bundle struct {
	path  string
	tags  map[string]string // "kolla/name:tag" to manifest digest
	blobs map[string]int64  // digest to size
	homes map[string]string // digest of a config or layer to a repository that has it
}

func (b bundle) size() int64 {
	var n int64
	for _, size := range b.blobs {
		n += size
	}
	return n
}

// references lists "kolla/name:tag".
func (b bundle) references() []string {
	var all []string
	for ref := range b.tags {
		all = append(all, ref)
	}
	return all
}

// The bundles of the tests. Revision 2 of one is a later build under the same
// tag, in which one image differs.
const (
	smallLayers = 64 << 10
	bigLayers   = 3 << 20 // 5 layers: 15 MiB and the programs
)

// makeBundle makes a bundle of images that can be run, once.
func makeBundle(t *testing.T, o sample.Options) bundle {
	t.Helper()
	hello, err := workshop.hello()
	if err != nil {
		t.Fatal(err)
	}
	name := fmt.Sprintf("kolla-image-%d-%d-%d-%d-%d-%v.tgz", o.LayerSize, o.Revision, o.Seed, o.Count, o.SharedLayers, o.ChangedBase)
	o.Program, o.Args = hello, []string{"from", "a", "bundle"}
	workshop.mu.Lock()
	defer workshop.mu.Unlock()
	path := workshop.bundles[name]
	if path == "" {
		path = filepath.Join(workshop.dir, name)
		f, err := os.Create(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(sample.Write(f, o), f.Close()); err != nil {
			t.Fatal(err)
		}
		workshop.bundles[name] = path
	}
	return readBundle(t, path)
}

func smallBundle(t *testing.T) bundle {
	return makeBundle(t, sample.Options{LayerSize: smallLayers})
}

// changedBundle is smallBundle with one layer of one image changed.
func changedBundle(t *testing.T) bundle {
	return makeBundle(t, sample.Options{LayerSize: smallLayers, Revision: 2,
		Changed: []string{"centos-source-mariadb"}})
}

func bigBundle(t *testing.T) bundle {
	return makeBundle(t, sample.Options{LayerSize: bigLayers, Seed: 7})
}

// changedBigBundle is bigBundle with one layer of one image changed.
func changedBigBundle(t *testing.T) bundle {
	return makeBundle(t, sample.Options{LayerSize: bigLayers, Seed: 7, Revision: 2,
		Changed: []string{"centos-source-mariadb"}})
}

func readBundle(t *testing.T, path string) bundle {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	zr, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	b := bundle{path: path, tags: map[string]string{}, blobs: map[string]int64{}, homes: map[string]string{}}
	for tr := tar.NewReader(zr); ; {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		_, name, inside := strings.Cut(h.Name, "docker/registry/v2/")
		if !inside || h.Typeflag != tar.TypeReg {
			continue
		}
		b.note(t, name, tr)
	}
	if len(b.tags) == 0 || len(b.blobs) == 0 {
		t.Fatalf("%s holds %d tags and %d blobs", path, len(b.tags), len(b.blobs))
	}
	return b
}

// note reads one file of the registry's tree.
func (b bundle) note(t *testing.T, name string, r io.Reader) {
	t.Helper()
	part := strings.Split(name, "/")
	switch n := len(part); {
	case part[0] == "blobs" && part[n-1] == "data":
		hash := sha256.New()
		size, err := io.Copy(hash, r)
		if got := fmt.Sprintf("%x", hash.Sum(nil)); err != nil || got != part[n-2] {
			t.Fatalf("blob %s of the bundle has digest %s (%v)", part[n-2], got, err)
		}
		b.blobs["sha256:"+part[n-2]] = size
	case n > 4 && part[n-1] == "link" && part[n-4] == "_layers":
		b.homes["sha256:"+part[n-2]] = strings.Join(part[1:n-4], "/")
	case n > 6 && part[n-1] == "link" && part[n-2] == "current":
		link, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		repository := strings.Join(part[1:n-5], "/")
		b.tags[repository+":"+part[n-3]] = strings.TrimSpace(string(link))
	}
}

// split takes "repository:tag" apart.
func split(ref string) (repository, tag string) {
	repository, tag, _ = strings.Cut(ref, ":")
	return repository, tag
}
