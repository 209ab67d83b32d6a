package store

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"golang.org/x/sys/unix"
)

// A link is a file of registry:2's tree that holds a digest.
type link struct {
	path   string
	target Digest
}

// ParseLink reads the content of a link file: a digest, maybe with white space
// behind it.
func ParseLink(raw []byte) (Digest, error) {
	if len(raw) > maxLink {
		return "", fmt.Errorf("%w: link of %d bytes", ErrDigest, len(raw))
	}
	return ParseDigest(strings.TrimSpace(string(raw)))
}

// readLink returns the digest in a link file.
func (s *Store) readLink(path string) (Digest, error) {
	if s.testOnly.read != nil {
		if err := s.testOnly.read(path); err != nil {
			return "", err
		}
	}
	raw, err := readSmall(path, maxLink)
	if err != nil {
		return "", err
	}
	d, err := ParseLink(raw)
	if err != nil {
		return "", fmt.Errorf("%s: %w", path, err)
	}
	return d, nil
}

// namesNothing reports whether err, of readLink, says that there is no link, or
// something that no registry takes for one. Other errors say nothing about it.
func namesNothing(err error) bool {
	for _, is := range []error{fs.ErrNotExist, unix.ENOTDIR, unix.ELOOP, fs.ErrInvalid, ErrDigest, ErrSizeMismatch} {
		if errors.Is(err, is) {
			return true
		}
	}
	return false
}

// writeLinks makes the links that are not there yet, each batch after the one
// before. The content of all is put on disk by one syncfs, and what was renamed
// by another before the next batch: a power cut leaves no tag without its
// image. The last batch's names last when the pointer that is switched next does.
func (s *Store) writeLinks(batches ...[]link) error {
	staged := make([][]stagedLink, len(batches))
	var err error
	for i, batch := range batches {
		if err == nil {
			staged[i], err = s.stageLinks(batch)
		}
	}
	for _, batch := range staged {
		if err == nil {
			err = s.sync()
		}
		for _, l := range batch {
			if err == nil {
				err = s.publish(l.name, l.path)
			}
			if err != nil {
				s.staging.Remove(l.name)
			}
		}
		s.step("links written")
	}
	if err != nil {
		return fmt.Errorf("writing links: %w", err)
	}
	return nil
}

type stagedLink struct{ name, path string }

// stageLinks stages those of links that are not there yet. It returns what was
// staged also when it ends early.
func (s *Store) stageLinks(links []link) (staged []stagedLink, err error) {
	for _, l := range links {
		if have, err := s.readLink(l.path); err == nil && have == l.target {
			continue
		}
		name, err := s.stageBytes("link", []byte(l.target), false)
		if err != nil {
			return staged, err
		}
		staged = append(staged, stagedLink{name, l.path})
	}
	return staged, nil
}
