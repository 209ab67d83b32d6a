package imageset

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"maps"
	"strings"
	"testing"

	"github.com/daisy-mcast/daisy-mcast/pkg/signature"
	"github.com/daisy-mcast/daisy-mcast/pkg/store"
)

// A signer signs images as cosign sign --key does. Of cosign's own output only the
// form is the same: pkg/signature has openssl as its oracle.
type signer struct{ private *ecdsa.PrivateKey }

func newSigner(t testing.TB) (signer, signature.Key) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKIXPublicKey(private.Public())
	if err != nil {
		t.Fatal(err)
	}
	key, err := signature.ParseKey(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
	if err != nil {
		t.Fatal(err)
	}
	return signer{private}, key
}

// add puts the signature of an image, which says that it is of claimed, into an OCI
// layout, under the tag for the image.
func (s signer) add(t testing.TB, tr archiveTree, img store.Image, claimed store.Digest) {
	t.Helper()
	payload := mustJSON(t, map[string]any{"critical": map[string]any{
		"identity": map[string]string{"docker-reference": img.Repository},
		"image":    map[string]store.Digest{"docker-manifest-digest": claimed},
		"type":     "cosign container image signature"}, "optional": nil})
	sum := sha256.Sum256(payload)
	sig, err := ecdsa.SignASN1(rand.Reader, s.private, sum[:])
	if err != nil {
		t.Fatal(err)
	}
	put := func(mediaType string, raw []byte) map[string]any {
		d := store.DigestOf(raw)
		tr["blobs/sha256/"+d.Hex()] = raw
		return map[string]any{"mediaType": mediaType, "digest": d, "size": len(raw)}
	}
	layer := put("application/vnd.dev.cosign.simplesigning.v1+json", payload)
	layer["annotations"] = map[string]string{signature.Annotation: base64.StdEncoding.EncodeToString(sig)}
	manifest := put(store.MediaTypeOCIManifest, mustJSON(t, map[string]any{"schemaVersion": 2, "mediaType": store.MediaTypeOCIManifest,
		"config": put(store.MediaTypeOCIConfig, []byte(`{"architecture":"","os":"","config":{},"rootfs":{"type":"layers","diff_ids":[]}}`)),
		"layers": []any{layer}}))
	manifest["annotations"] = map[string]string{annotationRefName: img.Repository + ":" + signature.Tag(string(img.Manifest))}
	tr["index.json"] = []byte(strings.Replace(string(tr["index.json"]), `"manifests":[`, `"manifests":[`+string(mustJSON(t, manifest))+",", 1))
}

// Every image must be signed by the key; what is not is refused by name, and nothing
// of the source is kept.
func TestImagesMustBeSigned(t *testing.T) {
	from := newStore(t)
	set := mustImport(t, from, bundleOf(t, small()))
	whole := ociTree(t, from, set)
	s, key := newSigner(t)
	stranger, _ := newSigner(t)
	sign := func(do func(tr archiveTree)) string {
		tr := maps.Clone(whole)
		do(tr)
		return tr.write(t)
	}
	good := sign(func(tr archiveTree) {
		for _, img := range set.Images {
			s.add(t, tr, img, img.Manifest)
		}
	})
	got, err := Import(t.Context(), good, newStore(t), ImportOptions{Key: &key})
	if err != nil || got.ID != set.ID {
		t.Fatalf("signed: %v, %v", got, err)
	}
	one := []string{set.Images[0].Repository}
	for what, path := range map[string]string{
		"none":     sign(func(archiveTree) {}),
		"one":      sign(func(tr archiveTree) { s.add(t, tr, set.Images[1], set.Images[1].Manifest) }),
		"stranger": sign(func(tr archiveTree) { stranger.add(t, tr, set.Images[0], set.Images[0].Manifest) }),
		"of other": sign(func(tr archiveTree) { s.add(t, tr, set.Images[0], set.Images[1].Manifest) }),
	} {
		st := newStore(t)
		_, err := Import(t.Context(), path, st, ImportOptions{Key: &key, Images: one})
		var refused *RefusedError
		if !errors.Is(err, ErrUnsigned) || !errors.As(err, &refused) || refused.Image != nameOf(set.Images[0]) {
			t.Errorf("%s: %v", what, err)
		}
		checkEmpty(t, st)
		if _, err := Check(t.Context(), Place{Path: path, Key: &key}, ImportOptions{Images: one}); !errors.Is(err, ErrUnsigned) {
			t.Errorf("%s, checked: %v", what, err)
		}
	}
	// A bundle has them as tags of the same repositories, where they are put.
	if _, err := importBytes(newStore(t), bundleOf(t, small())); err != nil {
		t.Fatal(err)
	}
	if _, err := ImportAll(t.Context(), []Place{{Path: good, Key: &key}, {Path: sign(func(archiveTree) {})}}, newStore(t), ImportOptions{}); err != nil {
		t.Errorf("one place without a key: %v", err)
	}
}

// What cosign puts beside images is no image: it is named and left out.
func TestWhatLiesBesideImagesIsLeftOut(t *testing.T) {
	from := newStore(t)
	set := mustImport(t, from, bundleOf(t, small()))
	tr := ociTree(t, from, set)
	s, _ := newSigner(t)
	s.add(t, tr, set.Images[0], set.Images[0].Manifest)
	var notes []string
	got, err := Import(t.Context(), tr.write(t), newStore(t), ImportOptions{Note: func(s string) { notes = append(notes, s) }})
	if err != nil || got.ID != set.ID {
		t.Errorf("got %v, %v", got, err)
	}
	if len(notes) != 1 || !strings.Contains(notes[0], "1 signatures") {
		t.Errorf("notes: %q", notes)
	}
	for tag, want := range map[string]bool{
		signature.Tag(string(set.Images[0].Manifest)): true, "sha256-" + strings.Repeat("a", 64) + ".att": true,
		"sha256-" + strings.Repeat("a", 64): false, "sha256-abc.sig": false, "6.0.0": false, "latest.sig": false,
	} {
		if IsBeside(tag) != want {
			t.Errorf("%s: %t", tag, !want)
		}
	}
}

// A directory tells how far it is, of how much.
func TestProgressOfADirectory(t *testing.T) {
	st := newStore(t)
	set := mustImport(t, st, bundleOf(t, small()))
	if err := st.Activate(set.ID); err != nil {
		t.Fatal(err)
	}
	var last, total int64
	_, err := Import(t.Context(), st.Dir(), newStore(t), ImportOptions{Progress: func(done, of int64) { last, total = done, of }})
	if err != nil || last < set.TotalSize() || total < last {
		t.Errorf("%d of %d of a set of %d, %v", last, total, set.TotalSize(), err)
	}
}
