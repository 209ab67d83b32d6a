package imageset

import (
	"path"

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
