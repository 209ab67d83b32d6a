package imageset

import (
	"fmt"
	"strings"

	"github.com/daisy-mcast/daisy-mcast/pkg/signature"
	"github.com/daisy-mcast/daisy-mcast/pkg/store"
)

// ImportOptions are the knobs of Import. The zero value is fine.
type ImportOptions struct {
	// Progress is told how many bytes of the source were read, of how many; 0
	// when that is not known. It is called from another goroutine, often.
	Progress func(read, total int64)
	// Note is given lines that the operator should see: what was left out.
	Note func(text string)
	// Force reads a bundle although it was imported before and is unchanged, and
	// writes every blob anew: it repairs a store.
	Force bool
	// SHA512, in hex, is that of the source as it lies on disk. Import takes it
	// from <name>.sha512sum beside the bundle when it is empty.
	SHA512 string
	// DemandSum refuses a file without such a sum.
	DemandSum bool
	// Key, when not nil, must have signed every image, as cosign does it: the
	// signatures lie in the source, beside the images.
	Key *signature.Key
	// Release is the set's, where a field is not empty, in place of the source's.
	Release store.Release
	// Images are patterns of the images to take, see MatchImage; all when empty.
	Images []string
	// Platforms are what to take of a manifest list; empty: all that the source
	// has. The list itself stays as it is, so that its digest does.
	Platforms []store.Platform
	// RefuseForeign refuses images with layers that registries need not hold.
	// Else they are taken where the source has them, and named where it does not.
	RefuseForeign bool
}

// choice is what of these options decides which images come of a file.
func (o ImportOptions) choice() string {
	if len(o.Images) == 0 && len(o.Platforms) == 0 && !o.RefuseForeign && o.Key == nil {
		return ""
	}
	text := fmt.Sprintf("images %q platforms %q refuse foreign %t", o.Images, o.Platforms, o.RefuseForeign)
	if o.Key != nil {
		text += " key " + o.Key.String()
	}
	return text
}

// sumOf is the SHA-512 that a file must have; "" when nobody says.
func (o ImportOptions) sumOf(path string) (string, error) {
	if o.SHA512 != "" {
		return strings.ToLower(o.SHA512), nil
	}
	sum, err := readSum(path)
	if err == nil && sum == "" && o.DemandSum {
		return "", fmt.Errorf("%w: there is no %s.sha512sum", ErrCheckSum, path)
	}
	return sum, err
}
