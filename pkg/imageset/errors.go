package imageset

import (
	"errors"
	"strings"

	"github.com/daisy-mcast/daisy-mcast/pkg/store"
)

// Sentinels that callers branch on. Those that speak of a bundle mean that
// nothing of it was kept.
var (
	// ErrNotBundle: there is no registry:2 directory with images in it.
	ErrNotBundle = errors.New("imageset: not a bundle of images")
	// ErrTruncated: the source ends too early. Copy it again.
	ErrTruncated = errors.New("imageset: bundle is cut off")
	// ErrCorrupt: the bytes are not those that were packed.
	ErrCorrupt = errors.New("imageset: bundle is damaged")
	// ErrUnsafe: an entry that no registry:2 directory has.
	ErrUnsafe = errors.New("imageset: entry is not accepted")
	// ErrTooLarge: a bound is exceeded.
	ErrTooLarge = errors.New("imageset: bundle is too large")
	// ErrMissingBlob: an image needs a blob that is not there.
	ErrMissingBlob = errors.New("imageset: blob is not in the bundle")
	// ErrNoRevision: a tag names a manifest that its repository does not have.
	ErrNoRevision = errors.New("imageset: tag names a manifest that is not in the repository")
	// ErrCheckSum: the .sha512sum file says otherwise.
	ErrCheckSum = errors.New("imageset: bundle does not match its .sha512sum")
	// ErrNoSpace: the store's filesystem, or a new bundle's, cannot take what is to come.
	ErrNoSpace = errors.New("imageset: not enough space for the images")
	// ErrSourceChanged: somebody wrote to the bundle while it was read.
	ErrSourceChanged = errors.New("imageset: bundle changed while it was read")
	// ErrOrigin: the place that images come from cannot be read; that says nothing
	// of them. Try again.
	ErrOrigin = errors.New("imageset: cannot read from the images' source")
	// ErrForeign: a layer that registries need not hold, and such are not wanted.
	ErrForeign = errors.New("imageset: image has a foreign layer")
	// ErrNoImage: an image that was asked for by its name is not there.
	ErrNoImage = errors.New("imageset: not in the source")
	// ErrConflict: two sources have different images of one name.
	ErrConflict = errors.New("imageset: the name stands for two images")
	// ErrNoBundle and ErrManyBundles: FindBundle needs exactly one.
	ErrNoBundle    = errors.New("imageset: no bundle found")
	ErrManyBundles = errors.New("imageset: more than one bundle found")
	// ErrChanged: a blob in the store is no longer what its digest says. The
	// error is a *store.BlobError that names it.
	ErrChanged = errors.New("imageset: blob in the store is damaged")
	// ErrPack: a list of blobs that is not one.
	ErrPack = errors.New("imageset: not a usable list of blobs")
)

// A RefusedError says what in a bundle is not accepted. Fields that do not
// apply are empty.
type RefusedError struct {
	Entry string // name in the tar
	Image string // repository:tag
	Blob  store.Digest
	Err   error
}

func (e *RefusedError) Error() string {
	var sb strings.Builder
	blob := string(e.Blob)
	if inner := (*store.BlobError)(nil); errors.As(e.Err, &inner) && inner.Digest == e.Blob {
		blob = "" // the reason names it
	}
	for _, part := range []struct{ what, name string }{{"entry ", e.Entry}, {"image ", e.Image}, {"blob ", blob}} {
		if part.name != "" {
			sb.WriteString(part.what + part.name + ": ")
		}
	}
	return sb.String() + e.Err.Error()
}

// Unwrap returns the reason.
func (e *RefusedError) Unwrap() error { return e.Err }
