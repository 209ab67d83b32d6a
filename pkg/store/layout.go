package store

import "path/filepath"

const (
	// RegistryRoot is where registry:2 keeps its tree, below its root directory.
	RegistryRoot = "docker/registry/v2"

	ownDir = "daisy-mcast"
)

// OwnDir returns the directory of what daisy-mcast itself keeps in the store.
func (s *Store) OwnDir() string { return filepath.Join(s.dir, ownDir) }

func (s *Store) setsDir() string          { return filepath.Join(s.dir, ownDir, "sets") }
func (s *Store) setPath(id string) string { return filepath.Join(s.setsDir(), id+".json") }
func (s *Store) currentPath() string      { return filepath.Join(s.dir, ownDir, "current") }
func (s *Store) lockPath() string         { return filepath.Join(s.dir, ownDir, "lock") }

func (s *Store) blobsDir() string { return filepath.Join(s.dir, RegistryRoot, "blobs", "sha256") }

func (s *Store) blobPath(d Digest) string {
	h := d.Hex()
	if h == "" { // never a path that leads elsewhere
		return filepath.Join(s.blobsDir(), "00", "not-a-digest", "data")
	}
	return filepath.Join(s.blobsDir(), h[:2], h, "data")
}

func (s *Store) repositoriesDir() string { return filepath.Join(s.dir, RegistryRoot, "repositories") }

func (s *Store) manifestsDir(repo string) string {
	return filepath.Join(s.repositoriesDir(), repo, "_manifests")
}

func (s *Store) revisionLink(repo string, d Digest) string {
	return filepath.Join(s.manifestsDir(repo), "revisions", "sha256", d.Hex(), "link")
}

func (s *Store) layerLink(repo string, d Digest) string {
	return filepath.Join(s.repositoriesDir(), repo, "_layers", "sha256", d.Hex(), "link")
}

func (s *Store) tagDir(repo, tag string) string {
	return filepath.Join(s.manifestsDir(repo), "tags", tag)
}

func (s *Store) tagLink(repo, tag string) string {
	return filepath.Join(s.tagDir(repo, tag), "current", "link")
}

func (s *Store) tagIndexLink(repo, tag string, d Digest) string {
	return filepath.Join(s.tagDir(repo, tag), "index", "sha256", d.Hex(), "link")
}
