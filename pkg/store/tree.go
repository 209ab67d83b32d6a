package store

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
)

// ResolveTag returns the manifest that registry:2's own tag link of repo:tag
// names. The error wraps fs.ErrNotExist when there is none. It does not look at
// the current set.
func (s *Store) ResolveTag(repo, tag string) (Digest, error) {
	if !ValidRepository(repo) || !ValidTag(tag) {
		return "", fmt.Errorf("%s:%s: %w", clip(repo), clip(tag), fs.ErrNotExist)
	}
	return s.readLink(s.tagLink(repo, tag))
}

// InRepository reports whether registry:2's links make d, a manifest or a
// layer, part of repo.
func (s *Store) InRepository(repo string, d Digest) bool {
	if !ValidRepository(repo) || d.Hex() == "" {
		return false
	}
	for _, path := range []string{s.layerLink(repo, d), s.revisionLink(repo, d)} {
		if have, err := s.readLink(path); err == nil && have == d {
			return true
		}
	}
	return false
}

// Repositories lists the repositories of registry:2's tree that have
// manifests, sorted.
func (s *Store) Repositories() ([]string, error) {
	var repos []string
	root := s.repositoriesDir()
	err := filepath.WalkDir(root, func(path string, e fs.DirEntry, err error) error {
		if isMissing(err) {
			return nil // removed meanwhile, or an empty store
		}
		if err != nil || !e.IsDir() {
			return err
		}
		name, err := filepath.Rel(root, path)
		if err != nil || name == "." {
			return err
		}
		if !ValidRepository(name) {
			return fs.SkipDir // _manifests, _layers, _uploads
		}
		if info, err := os.Lstat(filepath.Join(path, "_manifests")); err == nil && info.IsDir() {
			repos = append(repos, name)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("listing repositories: %w", err)
	}
	slices.Sort(repos)
	return repos, nil
}

// Tags lists the tags of repo in registry:2's tree, sorted. The error wraps
// fs.ErrNotExist when there is no such repository.
func (s *Store) Tags(repo string) ([]string, error) {
	if !ValidRepository(repo) {
		return nil, fmt.Errorf("repository %q: %w", clip(repo), fs.ErrNotExist)
	}
	if _, err := os.Lstat(s.manifestsDir(repo)); err != nil {
		return nil, err
	}
	entries, err := os.ReadDir(filepath.Join(s.manifestsDir(repo), "tags"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	var tags []string
	for _, e := range entries {
		if !e.IsDir() || !ValidTag(e.Name()) {
			continue
		}
		if _, err := os.Lstat(s.tagLink(repo, e.Name())); err == nil {
			tags = append(tags, e.Name())
		}
	}
	return tags, nil
}
