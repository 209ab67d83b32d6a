package store

import (
	"fmt"
	"strings"
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

// writeLinks makes the links that are not there yet. All are staged and put on
// disk by one syncfs, then renamed, and the names put on disk by another.
func (s *Store) writeLinks(links []link) error {
	var todo []link
	for _, l := range links {
		if have, err := readLink(l.path); err != nil || have != l.target {
			todo = append(todo, l)
		}
	}
	names, err := s.stageLinks(todo)
	if err == nil {
		err = s.sync()
	}
	for i, name := range names {
		if err == nil {
			err = s.publish(name, todo[i].path)
		}
		if err != nil {
			s.staging.Remove(name)
		}
	}
	if err != nil {
		return fmt.Errorf("writing links: %w", err)
	}
	s.step("links written")
	return s.sync()
}

// stageLinks returns the names that were staged, also when it ends early.
func (s *Store) stageLinks(links []link) (names []string, err error) {
	for _, l := range links {
		name, err := s.stageBytes("link", []byte(l.target), false)
		if err != nil {
			return names, err
		}
		names = append(names, name)
	}
	return names, nil
}
