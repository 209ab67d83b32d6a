package registry

import (
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/validate"
)

// go-containerregistry's client, an independent implementation of the
// specification, pulls and checks what we serve.

func reference(t *testing.T, base, rest string) name.Reference {
	t.Helper()
	ref, err := name.ParseReference(base[len("http://"):]+"/"+rest, name.Insecure)
	check(t, err)
	return ref
}

func TestOraclePullsFromStore(t *testing.T) {
	f := newFixture(t)
	img := f.random("kolla/a", "1", 2000, 3)
	base := start(t, f.whole())
	oraclePull(t, base, img.Digest)
}

func TestOraclePullsThroughUpstream(t *testing.T) {
	f := newFixture(t)
	img := f.random("kolla/a", "1", 100_000, 3)
	base := leanOn(t, f.lean(), start(t, f.whole()))
	oraclePull(t, base, img.Digest)
}

func TestOraclePullsIndex(t *testing.T) {
	f := newFixture(t)
	idx, err := random.Index(500, 2, 2)
	check(t, err)
	manifest, err := idx.IndexManifest()
	check(t, err)
	for _, m := range manifest.Manifests {
		img, err := idx.Image(m.Digest)
		check(t, err)
		f.add(img)
	}
	raw, err := idx.RawManifest()
	check(t, err)
	f.name("kolla/multi", "1", f.put(raw).Digest)
	base := start(t, f.whole())
	got, err := remote.Index(reference(t, base, "kolla/multi:1"))
	check(t, err)
	check(t, validate.Index(got))
}

func TestOracleListsTagsAndCatalog(t *testing.T) {
	f := newFixture(t)
	f.random("kolla/a", "1", 10, 1)
	f.name("kolla/a", "2", f.images[0].Manifest)
	f.random("kolla/b", "1", 10, 1)
	base := start(t, f.whole())
	tags, err := remote.List(reference(t, base, "kolla/a").Context(), remote.WithPageSize(1))
	if err != nil || len(tags) != 2 {
		t.Errorf("got tags %q, %v", tags, err)
	}
	repos, err := remote.Catalog(t.Context(), reference(t, base, "kolla/a").Context().Registry)
	if err != nil || len(repos) != 2 {
		t.Errorf("got repositories %q, %v", repos, err)
	}
}

func TestOracleFindsReferrers(t *testing.T) {
	f, subject := withReferrers(t)
	base := start(t, f.whole())
	ref := reference(t, base, "kolla/a@"+string(subject)).(name.Digest)
	idx, err := remote.Referrers(ref)
	check(t, err)
	m, err := idx.IndexManifest()
	if err != nil || len(m.Manifests) != 2 {
		t.Errorf("got %+v, %v", m, err)
	}
}

func oraclePull(t *testing.T, base string, digest func() (v1.Hash, error)) {
	t.Helper()
	want, err := digest()
	check(t, err)
	for _, rest := range []string{"kolla/a:1", "kolla/a@" + want.String()} {
		got, err := remote.Image(reference(t, base, rest))
		check(t, err)
		check(t, validate.Image(got))
		if d, err := got.Digest(); err != nil || d != want {
			t.Errorf("%s: got %v, %v, want %v", rest, d, err, want)
		}
	}
}
