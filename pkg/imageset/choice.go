package imageset

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/daisy-mcast/daisy-mcast/pkg/store"
)

// wants reports whether the operator asked for the image.
func (o ImportOptions) wants(img store.Image) bool {
	return len(o.Images) == 0 || MatchImage(o.Images, img.Repository, img.Tag)
}

// MatchImage reports whether one of the patterns, as path.Match takes them, is for
// the image: for repository:tag, for the repository, or for the last part of it.
func MatchImage(patterns []string, repo, tag string) bool {
	for _, p := range patterns {
		for _, name := range []string{repo + ":" + tag, repo, path.Base(repo), path.Base(repo) + ":" + tag} {
			if ok, _ := path.Match(p, name); ok {
				return true
			}
		}
	}
	return false
}

// findAsked refuses a source without an image that was asked for by its name: an
// operator's list would come to half a cloud otherwise. A pattern with wildcards that
// no image is like is noted.
func (im *importer) findAsked() error {
	var missing []string
	for _, p := range im.opts.Images {
		isMet := slices.ContainsFunc(im.tags, func(i store.Image) bool { return MatchImage([]string{p}, i.Repository, i.Tag) })
		switch {
		case isMet:
		case strings.ContainsAny(p, `*?[\`):
			im.unmet = append(im.unmet, "no image is like "+printable(p))
		default:
			missing = append(missing, printable(p))
		}
	}
	if len(missing) == 0 {
		return nil
	}
	more := ""
	if n := len(missing) - maxNotes; n > 0 {
		missing, more = missing[:maxNotes], fmt.Sprintf(" and %d more", n)
	}
	return &RefusedError{Image: strings.Join(missing, ", ") + more, Err: ErrNoImage}
}
