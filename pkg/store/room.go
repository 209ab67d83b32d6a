package store

import (
	"fmt"
	"math"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// A Room is what a filesystem has left for files, or what something takes of it.
type Room struct {
	Bytes int64
	// Inodes are files and directories. A filesystem that makes them as they are
	// needed, as btrfs does, has as many as there are numbers.
	Inodes int64
}

// RoomIn asks the filesystem that dir lies on.
func RoomIn(dir string) (Room, error) {
	var fs unix.Statfs_t
	if err := unix.Statfs(dir, &fs); err != nil {
		return Room{}, fmt.Errorf("asking for free space in %s: %w", dir, err)
	}
	r := Room{Bytes: int64(fs.Bavail) * fs.Bsize, Inodes: math.MaxInt64}
	if fs.Files > 0 {
		r.Inodes = int64(fs.Ffree)
	}
	return r, nil
}

// What a store's directories come to, in inodes.
const (
	// blobInodes are a blob's directory and its file.
	blobInodes = 2
	// linkInodes are a link's directory and its file.
	linkInodes = 2
	// repositoryInodes are _layers, _manifests, revisions, tags, and sha256 below the
	// first and the third.
	repositoryInodes = 6
	// tagInodes are a tag's directory, index with sha256 below it, and current with
	// its link.
	tagInodes = 5
)

// LinkInodes returns how many inodes the set's links take in an empty store. Its
// manifests must be here.
func (s *Store) LinkInodes(set *Set) (int64, error) {
	links, err := s.Links(set)
	if err != nil {
		return 0, err
	}
	all := make(map[string]bool)
	for name := range links {
		for ; name != RegistryRoot+"/repositories" && !all[name]; name = filepath.Dir(name) {
			all[name] = true
		}
	}
	return int64(len(all)), nil
}

// MissingInodes returns how many inodes the set takes beside what is here: those of
// missing blobs and of missing links; links is what LinkInodes says of the set.
func (s *Store) MissingInodes(set *Set, links int64) int64 {
	missing := s.Missing(set)
	if len(missing) == 0 {
		return 0
	}
	return int64(len(missing))*blobInodes + s.newPrefixes(set, missing) + max(0, links-s.linkedInodes(set))
}

// newPrefixes counts the directories of two digits that missing blobs need.
func (s *Store) newPrefixes(set *Set, missing []int) int64 {
	dirs := make(map[string]bool)
	for _, i := range missing {
		dirs[filepath.Dir(filepath.Dir(s.blobPath(set.Blobs[i].Digest)))] = true
	}
	var n int64
	for dir := range dirs {
		if !isThere(dir) {
			n++
		}
	}
	return n
}

// linkedInodes counts the inodes of the set's links that are here.
func (s *Store) linkedInodes(set *Set) (n int64) {
	seen := make(map[string]bool)
	for _, img := range set.Images {
		repo := filepath.Join(s.repositoriesDir(), img.Repository)
		if !seen[repo] {
			n += s.linkedIn(set, repo)
		}
		for dir := repo; dir != s.repositoriesDir() && !seen[dir]; dir = filepath.Dir(dir) {
			seen[dir] = true
			if isThere(dir) {
				n++
			}
		}
		if isThere(s.tagLink(img.Repository, img.Tag)) {
			n += tagInodes
		}
		if isThere(s.tagIndexLink(img.Repository, img.Tag, img.Manifest)) {
			n += linkInodes
		}
	}
	return n
}

// linkedIn counts those of one repository but for its tags.
func (s *Store) linkedIn(set *Set, repo string) (n int64) {
	if !isThere(filepath.Join(repo, "_manifests")) {
		return 0
	}
	n = repositoryInodes
	for _, dir := range []string{"_layers/sha256", "_manifests/revisions/sha256"} {
		names, err := os.ReadDir(filepath.Join(repo, dir))
		if err != nil {
			continue // as if it had none
		}
		for _, e := range names {
			if _, ok := set.Has(Digest("sha256:" + e.Name())); ok {
				n += linkInodes
			}
		}
	}
	return n
}

func isThere(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}
