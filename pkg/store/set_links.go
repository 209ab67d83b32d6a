package store

import (
	"fmt"
	"path/filepath"
)

// Links lists the link files of registry:2's tree that a set needs, as Activate
// makes them: their names, relative to the store's directory, and the digests that
// they hold. The set's manifests must be here.
func (s *Store) Links(set *Set) (map[string]Digest, error) {
	links, tags, err := s.planLinks(set)
	if err != nil {
		return nil, fmt.Errorf("listing the links of set %s: %w", short(set.ID), err)
	}
	out := make(map[string]Digest, len(links)+len(tags))
	for _, l := range append(links, tags...) {
		name, err := filepath.Rel(s.dir, l.path)
		if err != nil {
			return nil, err
		}
		out[filepath.ToSlash(name)] = l.target
	}
	return out, nil
}
