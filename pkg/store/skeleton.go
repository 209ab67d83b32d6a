package store

import (
	"context"
	"errors"
	"os"
	"time"
)

// Sentinels that callers branch on.
var (
	ErrNoSet          = errors.New("store: no set is active")
	ErrDigestMismatch = errors.New("store: content is not what its digest says")
	ErrReadOnly       = errors.New("store: opened for reading only")
	ErrIncomplete     = errors.New("store: blobs are missing")
	ErrBusy           = errors.New("store: in use by another process")
	ErrManifest       = errors.New("store: not a usable manifest")
	ErrSet            = errors.New("store: not a valid set")
)

// A Mode says how far a store can serve its current set by itself.
type Mode uint8

// The modes of a current set.
const (
	ModeWhole Mode = iota + 1 // every blob was here when it was activated
	ModeLean                  // tags resolve here; blobs may come from upstream (R9)
)

// A Store is a registry:2 directory and what daisy-mcast keeps beside it.
type Store struct{ dir string }

// Config says where a store lies.
type Config struct {
	Dir     string
	Staging string // default <Dir>/daisy-mcast/staging; same filesystem
}

// A SetInfo describes a set that a store holds.
type SetInfo struct {
	ID      string
	Images  int
	Blobs   int
	Size    int64 // bytes of all blobs
	Release Release
	Created time.Time
	Used    time.Time // last put or activated here
	Current bool
	Mode    Mode // of the current set, else 0
}

// A GCResult says what GC removed.
type GCResult struct {
	Sets  []string
	Blobs int
	Bytes int64
	Tags  int
}

// A BlobWriter takes the bytes of one blob.
type BlobWriter struct{}

// A Descriptor is a reference inside a manifest.
type Descriptor struct {
	MediaType string
	Digest    Digest
	Size      int64
	URLs      []string
	Platform  *Platform
}

// A Platform is what an index says about one of its manifests.
type Platform struct{ OS, Architecture, Variant string }

// A Manifest is what a manifest or an index refers to.
type Manifest struct {
	MediaType    string
	ArtifactType string
	Config       *Descriptor  // nil in an index
	Layers       []Descriptor // of an image
	Manifests    []Descriptor // of an index
	Subject      *Descriptor
}

func NewSet(images []Image, blobs []Blob, archs []string, rel Release, created time.Time) (*Set, error) {
	return nil, errors.ErrUnsupported
}
func (s *Set) Validate() error                        { return errors.ErrUnsupported }
func (s *Set) Lookup(repo, tag string) (Digest, bool) { return "", false }
func (s *Set) Has(d Digest) (Blob, bool)              { return Blob{}, false }
func (s *Set) TotalSize() int64                       { return 0 }
func Create(cfg Config) (*Store, error)               { return nil, errors.ErrUnsupported }
func Open(dir string) (*Store, error)                 { return &Store{dir}, nil }
func (s *Store) Close() error                         { return nil }
func (s *Store) Dir() string                          { return s.dir }
func (s *Store) Stat(d Digest) (Blob, error)          { return Blob{}, errors.ErrUnsupported }
func (s *Store) OpenBlob(d Digest) (*os.File, Blob, error) {
	return nil, Blob{}, errors.ErrUnsupported
}
func (s *Store) ReadBlob(d Digest, max int64) ([]byte, error) { return nil, errors.ErrUnsupported }
func (s *Store) NewBlob(b Blob) (*BlobWriter, error)          { return nil, errors.ErrUnsupported }
func (w *BlobWriter) Write(p []byte) (int, error)             { return 0, errors.ErrUnsupported }
func (w *BlobWriter) Commit() error                           { return errors.ErrUnsupported }
func (w *BlobWriter) Abort() error                            { return nil }
func (s *Store) Missing(set *Set) []int                       { return nil }
func (s *Store) VerifyBlobs(ctx context.Context, blobs []Blob, workers int) error {
	return errors.ErrUnsupported
}
func (s *Store) RemoveBlob(d Digest) error                   { return errors.ErrUnsupported }
func (s *Store) PutSet(set *Set) error                       { return errors.ErrUnsupported }
func (s *Store) Sets() ([]SetInfo, error)                    { return nil, errors.ErrUnsupported }
func (s *Store) LoadSet(id string) (*Set, error)             { return nil, errors.ErrUnsupported }
func (s *Store) Activate(id string) error                    { return errors.ErrUnsupported }
func (s *Store) Lean(id string) error                        { return errors.ErrUnsupported }
func (s *Store) Current() (*Set, Mode, error)                { return nil, 0, ErrNoSet }
func (s *Store) GC(keep int) (GCResult, error)               { return GCResult{}, errors.ErrUnsupported }
func (s *Store) ResolveTag(repo, tag string) (Digest, error) { return "", errors.ErrUnsupported }
func (s *Store) Repositories() ([]string, error)             { return nil, errors.ErrUnsupported }
func (s *Store) Tags(repo string) ([]string, error)          { return nil, errors.ErrUnsupported }
func (s *Store) InRepository(repo string, d Digest) bool     { return false }
func ParseManifest(raw []byte) (Manifest, error)             { return Manifest{}, errors.ErrUnsupported }
func ValidRepository(name string) bool                       { return false }
func ValidTag(tag string) bool                               { return false }
