package imageset

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/daisy-mcast/daisy-mcast/pkg/signature"
	"github.com/daisy-mcast/daisy-mcast/pkg/store"
)

// ErrUnsigned says that an image has no signature by the key that was asked for.
var ErrUnsigned = errors.New("imageset: the image is not signed by this key")

// maxSignatures bounds what is tried for one image.
const maxSignatures = 64

// IsBeside reports whether a tag is of what cosign puts beside images, under a tag
// made of an image's digest: signatures, attestations, bills of materials.
func IsBeside(tag string) bool {
	hex, kind, _ := strings.Cut(strings.TrimPrefix(tag, "sha256-"), ".")
	_, err := store.ParseDigest("sha256:" + hex)
	return err == nil && strings.HasPrefix(tag, "sha256-") && (kind == "sig" || kind == "att" || kind == "sbom")
}

// take notes an image's name. What lies beside images is no image: signatures are
// set aside while a key is asked for, whichever images are wanted.
func (im *importer) take(img store.Image) error {
	switch {
	case IsBeside(img.Tag) && im.opts.Key == nil:
		im.beside++
		return nil
	case IsBeside(img.Tag):
		im.signatures[nameOf(img)] = img
		return nil
	case !im.opts.wants(img):
		im.unwanted++
		return nil
	case len(im.tags) >= store.MaxImages:
		return fmt.Errorf("%w: more than %d tags", ErrTooLarge, store.MaxImages)
	}
	im.tags = append(im.tags, img)
	if im.opts.Key != nil {
		im.unproven = append(im.unproven, unproven{img, *im.opts.Key})
	}
	return nil
}

// unproven is an image that must be signed by a key.
type unproven struct {
	store.Image
	key signature.Key
}

// prove finds a signature for each image that needs one. Signatures are left out of
// the set: they are no images, and engines know nothing of them.
func (r *resolver) prove() error {
	for _, u := range r.im.unproven {
		err := error(ErrUnsigned)
		if sig, ok := r.im.signatures[u.Repository+":"+signature.Tag(string(u.Manifest))]; ok {
			err = r.signed(u, sig.Manifest)
		}
		if err != nil {
			return &RefusedError{Image: nameOf(u.Image), Blob: u.Manifest, Err: err}
		}
	}
	return nil
}

// signed looks for one signature by the key among those in a manifest.
func (r *resolver) signed(u unproven, d store.Digest) error {
	raw, err := r.im.readBlob(d, store.MaxManifest)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrUnsigned, err)
	}
	var m struct {
		Layers []struct {
			Digest      store.Digest      `json:"digest"`
			Annotations map[string]string `json:"annotations"`
		} `json:"layers"`
	}
	if err := json.Unmarshal(raw, &m); err != nil {
		return fmt.Errorf("%w: %w", ErrUnsigned, err)
	}
	last := error(ErrUnsigned)
	for _, l := range m.Layers[:min(len(m.Layers), maxSignatures)] {
		content, err := r.im.readBlob(l.Digest, maxPayload)
		if err == nil {
			err = u.key.VerifyImage(string(u.Manifest), content, l.Annotations[signature.Annotation])
		}
		if err == nil {
			return nil
		}
		last = fmt.Errorf("%w: %w", ErrUnsigned, err)
	}
	return last
}
