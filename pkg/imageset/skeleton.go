// Package imageset reads bundles of images into a store and turns blobs into
// one stream of bytes and back.
package imageset

import (
	"context"
	"errors"
	"io"

	"github.com/daisy-mcast/daisy-mcast/pkg/store"
)

// ImportOptions are the knobs of Import. The zero value is fine.
type ImportOptions struct {
	Progress func(read, total int64) // bytes of the source; total is 0 when not known
	Note     func(text string)       // one line the operator should see
	Force    bool                    // read the source although it was imported before
	SHA512   string                  // hex; of the source as it lies on disk, when known
}

// DefaultDir is where Daisy keeps its bundle.
const DefaultDir = "/var/lib/daisy/versionfile/kolla"

// ErrChanged is returned when a blob on disk is no longer what its digest says.
var ErrChanged = errors.New("imageset: blob changed on disk")

// A Pack is a list of blobs laid back to back in one byte space.
type Pack struct{}

// A Sink writes the byte space of a Pack into a store.
type Sink struct{}

// A SinkResult says what became of the blobs that a Sink wanted.
type SinkResult struct {
	Committed, Bad, Missing []store.Digest
	Err                     error
}

func Import(ctx context.Context, path string, st *store.Store, opts ImportOptions) (*store.Set, error) {
	return nil, errors.ErrUnsupported
}
func ImportStream(ctx context.Context, r io.Reader, st *store.Store, opts ImportOptions) (*store.Set, error) {
	return nil, errors.ErrUnsupported
}
func FindBundle(dir string) (string, error)                               { return "", errors.ErrUnsupported }
func CheckSum(ctx context.Context, path string) error                     { return errors.ErrUnsupported }
func NewPack(blobs []store.Blob) (Pack, error)                            { return Pack{}, errors.ErrUnsupported }
func (p Pack) Size() int64                                                { return 0 }
func (p Pack) Blobs() []store.Blob                                        { return nil }
func (p Pack) Reader(st *store.Store) io.ReadCloser                       { return nil }
func NewSink(p Pack, st *store.Store, want func(store.Digest) bool) *Sink { return &Sink{} }
func (s *Sink) Write(p []byte) (int, error)                               { return 0, errors.ErrUnsupported }
func (s *Sink) Close() error                                              { return nil }
func (s *Sink) Result() SinkResult                                        { return SinkResult{} }
