package store

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Validate checks a set that came from a file or another machine: bounds,
// names, sizes, order, that every image's manifest is among the blobs, and that
// the ID is that of the content. The error wraps ErrSet.
func (s *Set) Validate() error {
	if len(s.Images) > MaxImages || len(s.Blobs) > MaxBlobs {
		return fmt.Errorf("%w: %d images and %d blobs, at most %d and %d are taken",
			ErrSet, len(s.Images), len(s.Blobs), MaxImages, MaxBlobs)
	}
	for _, check := range []func() error{s.checkBlobs, s.checkImages, s.checkRelease} {
		if err := check(); err != nil {
			return err
		}
	}
	if want := s.computeID(); s.ID != want {
		return fmt.Errorf("%w: ID is %q, its content says %s", ErrSet, clip(s.ID), want)
	}
	return nil
}

func (s *Set) checkBlobs() error {
	for i, b := range s.Blobs {
		if _, err := ParseDigest(string(b.Digest)); err != nil {
			return fmt.Errorf("%w: blob %d: %w", ErrSet, i, err)
		}
		if b.Size < 0 || b.Size > MaxBlobSize {
			return fmt.Errorf("%w: blob %s: size %d", ErrSet, b.Digest, b.Size)
		}
		if i > 0 && s.Blobs[i-1].Digest >= b.Digest {
			return fmt.Errorf("%w: blob %s: listed twice or out of order", ErrSet, b.Digest)
		}
	}
	return nil
}

func (s *Set) checkImages() error {
	for i, m := range s.Images {
		if !ValidRepository(m.Repository) || !ValidTag(m.Tag) {
			return fmt.Errorf("%w: image %d: name %q, tag %q", ErrSet, i, clip(m.Repository), clip(m.Tag))
		}
		if i > 0 && compareNames(s.Images[i-1], m) >= 0 {
			return fmt.Errorf("%w: image %s:%s: listed twice or out of order", ErrSet, m.Repository, m.Tag)
		}
		b, ok := s.Has(m.Manifest)
		if !ok {
			return fmt.Errorf("%w: image %s:%s: manifest %q is not among the blobs",
				ErrSet, m.Repository, m.Tag, clip(string(m.Manifest)))
		}
		if b.Size > MaxManifest {
			return fmt.Errorf("%w: image %s:%s: manifest of %d bytes", ErrSet, m.Repository, m.Tag, b.Size)
		}
	}
	return nil
}

// checkRelease keeps what ends up on terminals and in YAML files plain.
func (s *Set) checkRelease() error {
	if len(s.Architectures) > maxArchitectures {
		return fmt.Errorf("%w: %d architectures", ErrSet, len(s.Architectures))
	}
	for _, a := range s.Architectures {
		if a == "" || len(a) > 32 || strings.Trim(a, "abcdefghijklmnopqrstuvwxyz0123456789_") != "" {
			return fmt.Errorf("%w: architecture %q", ErrSet, clip(a))
		}
	}
	for _, f := range []string{s.Release.Branch, s.Release.Tag, s.Release.Date, s.Release.Commit} {
		if len(f) > maxReleaseField || strings.ContainsFunc(f, notPrintable) {
			return fmt.Errorf("%w: release field %q", ErrSet, clip(f))
		}
	}
	return nil
}

// notPrintable reports whether r could steer a terminal, turn the text round it
// (bidi controls) or is what stands for broken UTF-8.
func notPrintable(r rune) bool { return !unicode.IsPrint(r) || r == utf8.RuneError }
