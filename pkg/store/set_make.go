package store

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"time"
)

// NewSet makes a set of images and the blobs they need, in any order and with
// repetitions. The ID is the hex SHA-256 of
//
//	daisy-mcast set 1
//	image <repository>:<tag> <digest>     for each image, sorted by name and tag
//	blob <digest> <size>                  for each blob, sorted by digest
//
// with a newline after each line: two sets with the same content have the same
// ID, whatever they were made from. The error wraps ErrSet.
func NewSet(images []Image, blobs []Blob, archs []string, rel Release, created time.Time) (*Set, error) {
	s := &Set{
		Images:        slices.Clone(images),
		Blobs:         slices.Clone(blobs),
		Architectures: slices.Clone(archs),
		Release:       rel,
		Created:       created.UTC().Truncate(time.Second),
	}
	slices.SortFunc(s.Images, compareImages)
	s.Images = slices.Compact(s.Images)
	slices.SortFunc(s.Blobs, compareBlobs)
	s.Blobs = slices.Compact(s.Blobs)
	slices.Sort(s.Architectures)
	s.Architectures = slices.Compact(s.Architectures)
	s.ID = s.computeID()
	if err := s.Validate(); err != nil {
		return nil, err
	}
	return s, nil
}

func compareImages(a, b Image) int {
	return cmp.Or(strings.Compare(a.Repository, b.Repository), strings.Compare(a.Tag, b.Tag),
		strings.Compare(string(a.Manifest), string(b.Manifest)))
}

func compareBlobs(a, b Blob) int {
	return cmp.Or(strings.Compare(string(a.Digest), string(b.Digest)), cmp.Compare(a.Size, b.Size))
}

func (s *Set) computeID() string {
	h := sha256.New()
	fmt.Fprintln(h, "daisy-mcast set 1")
	for _, m := range s.Images {
		fmt.Fprintf(h, "image %s:%s %s\n", m.Repository, m.Tag, m.Manifest)
	}
	for _, b := range s.Blobs {
		fmt.Fprintf(h, "blob %s %d\n", b.Digest, b.Size)
	}
	return hex.EncodeToString(h.Sum(nil))
}
