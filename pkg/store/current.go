package store

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
)

// A Mode says how far a store can serve its current set by itself.
type Mode uint8

// The modes of a current set.
const (
	ModeWhole Mode = iota + 1 // every blob was here when it was activated
	ModeLean                  // tags resolve here; blobs may come from upstream (R9)
)

func (m Mode) String() string {
	switch m {
	case ModeWhole:
		return "whole"
	case ModeLean:
		return "lean"
	}
	return "none"
}

// currentSet is what the pointer file said and named when it was last read.
type currentSet struct {
	id  string
	set *Set
}

// Current returns the set that is served, and its mode. The error is ErrNoSet
// when none was activated. The pointer file is read on each call, which takes
// microseconds, so that a serving process sees a switch by another at once; the
// set that it names never changes and is parsed once. The caller must not
// change the set.
func (s *Store) Current() (*Set, Mode, error) {
	id, mode, err := s.readPointer()
	if err != nil {
		return nil, 0, err
	}
	if c := s.current.Load(); c != nil && c.id == id {
		return c.set, mode, nil
	}
	set, err := s.LoadSet(id)
	if err != nil {
		return nil, 0, err
	}
	s.current.Store(&currentSet{id: id, set: set})
	return set, mode, nil
}

// readPointer reads "<mode> <id>\n".
func (s *Store) readPointer() (id string, mode Mode, err error) {
	raw, err := readSmall(s.currentPath(), maxLink)
	if errors.Is(err, fs.ErrNotExist) {
		return "", 0, ErrNoSet
	}
	if err != nil {
		return "", 0, fmt.Errorf("reading the current set: %w", err)
	}
	word, id, _ := strings.Cut(strings.TrimSuffix(string(raw), "\n"), " ")
	switch word {
	case ModeWhole.String():
		mode = ModeWhole
	case ModeLean.String():
		mode = ModeLean
	}
	if mode == 0 || !validID(id) {
		return "", 0, fmt.Errorf("%w: %s holds %q", ErrSet, s.currentPath(), clip(string(raw)))
	}
	return id, mode, nil
}

func (s *Store) writePointer(id string, mode Mode) error {
	if err := s.replace(s.currentPath(), fmt.Appendf(nil, "%s %s\n", mode, id)); err != nil {
		return fmt.Errorf("switching to set %s: %w", short(id), err)
	}
	s.step("current switched")
	return nil
}
