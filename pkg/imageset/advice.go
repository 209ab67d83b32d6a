package imageset

import (
	"errors"

	"github.com/daisy-mcast/daisy-mcast/pkg/store"
)

// advice says what to do about an error, the first that it is.
var advice = []struct {
	is   error
	text string
}{
	{ErrNoBundle, "name the bundle, or another source: see 'daisy-mcast bundle --help'"},
	{ErrManyBundles, "name one of them"},
	{ErrNoSpace, "make room there; blobs that are whole are not fetched again"},
	{ErrSourceChanged, "wait until nobody writes to it, then run it again"},
	{ErrOrigin, "run it again when the source answers; blobs that are whole are not fetched again"},
	{ErrUnsigned, "sign the image with that key, or name the key that signed it; signatures lie beside the images or in BUNDLE.sig"},
	{ErrForeign, "take it with --foreign take, or leave it out with --image"},
	{ErrNoImage, "add it to the source, or take it out of --image and --image-list"},
	{ErrConflict, "give one of them another name or tag, or choose with --image"},
	{ErrCheckSum, "copy the bundle again, with its .sha512sum; 'sha512sum --check' compares them by hand"},
	{ErrTruncated, "copy the source again, all of it, or make it anew"},
	{store.ErrDigestMismatch, "copy the source again, or make it anew"},
	{store.ErrSizeMismatch, "copy the source again, or make it anew"},
	{ErrCorrupt, "copy the source again, or make it anew"},
	{ErrMissingBlob, "copy or make the source again, with all of that image; --image chooses others"},
	{ErrNoRevision, "make the bundle again from the registry; --image chooses other images"},
	{ErrNotBundle, "'daisy-mcast bundle inspect SOURCE' says what a source has, 'daisy-mcast bundle --help' what sources there are"},
	{ErrUnsafe, "make the source anew, of images alone, with docker save, skopeo or 'daisy-mcast bundle create'"},
	{ErrTooLarge, "make the source anew, of images alone, with docker save, skopeo or 'daisy-mcast bundle create'"},
	{store.ErrManifest, "build or push that image again with a current tool; Docker's schema 1 is not taken"},
}

// Advice returns what the operator can do about an error of this package, "" when
// nothing is known.
func Advice(err error) string {
	for _, a := range advice {
		if errors.Is(err, a.is) {
			return a.text
		}
	}
	return ""
}
