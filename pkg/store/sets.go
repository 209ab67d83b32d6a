package store

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"time"
)

// A SetInfo describes a set that a store holds.
type SetInfo struct {
	ID      string
	Images  int
	Blobs   int
	Size    int64 // bytes of all blobs
	Release Release
	Created time.Time
	Used    time.Time // last put or activated here, by this machine's clock
	Current bool
	Mode    Mode // of the current set, else 0
}

// ParseSet reads a set's JSON from a file or another machine and validates it.
// The error wraps ErrSet.
func ParseSet(raw []byte) (*Set, error) {
	// One element takes at least a comma: the count bounds what the decoder
	// allocates before Validate can look at it.
	if len(raw) > MaxSetFile || bytes.Count(raw, []byte{','}) > 2*MaxBlobs+3*MaxImages+maxReleaseField {
		return nil, fmt.Errorf("%w: too long", ErrSet)
	}
	set := new(Set)
	if err := json.Unmarshal(raw, set); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrSet, err)
	}
	if err := set.Validate(); err != nil {
		return nil, err
	}
	return set, nil
}

// PutSet keeps the set, without making it current. Its blobs need not be here.
func (s *Store) PutSet(set *Set) error {
	if err := s.writable(); err != nil {
		return err
	}
	if err := set.Validate(); err != nil {
		return err
	}
	raw, err := json.Marshal(set)
	if err != nil {
		return err
	}
	s.claims.gc.RLock()
	defer s.claims.gc.RUnlock()
	if err := s.replace(s.setPath(set.ID), raw); err != nil {
		return fmt.Errorf("keeping set %s: %w", short(set.ID), err)
	}
	s.claims.settle(set)
	s.step("set put")
	return nil
}

// LoadSet returns the set with this ID. The error wraps fs.ErrNotExist when
// the store does not know it.
func (s *Store) LoadSet(id string) (*Set, error) {
	if !validID(id) {
		return nil, fmt.Errorf("%w: ID %q", ErrSet, clip(id))
	}
	raw, err := readSmall(s.setPath(id), MaxSetFile)
	if err != nil {
		return nil, fmt.Errorf("set %s: %w", short(id), err)
	}
	set, err := ParseSet(raw)
	if err != nil {
		return nil, fmt.Errorf("set %s: %w", short(id), err)
	}
	if set.ID != id {
		return nil, fmt.Errorf("%w: file of %s holds %s", ErrSet, short(id), short(set.ID))
	}
	return set, nil
}

// Sets lists the sets of the store, the last used first. A set that cannot be
// read is left out and named in the error beside the others.
func (s *Store) Sets() ([]SetInfo, error) {
	stored, bad, err := s.storedSets()
	if err != nil {
		return nil, err
	}
	current, mode, err := s.readPointer()
	if err != nil && !errors.Is(err, ErrNoSet) {
		bad = append(bad, err)
	}
	infos := make([]SetInfo, len(stored))
	for i, st := range stored {
		infos[i] = SetInfo{ID: st.set.ID, Images: len(st.set.Images), Blobs: len(st.set.Blobs),
			Size: st.set.TotalSize(), Release: st.set.Release, Created: st.set.Created, Used: st.used}
		if st.set.ID == current {
			infos[i].Current, infos[i].Mode = true, mode
		}
	}
	return infos, errors.Join(bad...)
}

type storedSet struct {
	set  *Set
	used time.Time
}

// storedSets reads all sets, the last used first.
func (s *Store) storedSets() (sets []storedSet, bad []error, err error) {
	entries, err := os.ReadDir(s.setsDir())
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, nil, fmt.Errorf("listing sets: %w", err)
	}
	if len(entries) > maxSets {
		return nil, nil, fmt.Errorf("%w: %d files in %s", ErrSet, len(entries), s.setsDir())
	}
	for _, e := range entries {
		id, ok := strings.CutSuffix(e.Name(), ".json")
		if !ok || !validID(id) {
			continue
		}
		set, err := s.LoadSet(id)
		if err != nil {
			bad = append(bad, err)
			continue
		}
		st := storedSet{set: set}
		if info, err := e.Info(); err == nil {
			st.used = info.ModTime()
		}
		sets = append(sets, st)
	}
	slices.SortStableFunc(sets, func(a, b storedSet) int {
		return cmp.Or(b.used.Compare(a.used), b.set.Created.Compare(a.set.Created), strings.Compare(a.set.ID, b.set.ID))
	})
	return sets, bad, nil
}
