package store

import (
	"cmp"
	"slices"
	"strings"
)

func compareNames(a, b Image) int {
	return cmp.Or(strings.Compare(a.Repository, b.Repository), strings.Compare(a.Tag, b.Tag))
}

// Lookup returns the manifest that repo:tag names in the set.
func (s *Set) Lookup(repo, tag string) (Digest, bool) {
	i, ok := slices.BinarySearchFunc(s.Images, Image{Repository: repo, Tag: tag}, compareNames)
	if !ok {
		return "", false
	}
	return s.Images[i].Manifest, true
}

// Has returns the blob of the set that d names.
func (s *Set) Has(d Digest) (Blob, bool) {
	i, ok := slices.BinarySearchFunc(s.Blobs, d, func(b Blob, d Digest) int {
		return strings.Compare(string(b.Digest), string(d))
	})
	if !ok {
		return Blob{}, false
	}
	return s.Blobs[i], true
}

func (s *Set) lists(d Digest) bool {
	_, ok := s.Has(d)
	return ok
}

// TotalSize returns the bytes of all blobs of the set.
func (s *Set) TotalSize() int64 {
	var n int64
	for _, b := range s.Blobs {
		n += b.Size
	}
	return n
}
