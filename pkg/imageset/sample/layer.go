package sample

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"hash"
	"io"
	"math/rand/v2"

	"github.com/klauspost/compress/gzip"

	"github.com/daisy-mcast/daisy-mcast/pkg/store"
)

// A layer is one file in a tar, and the digests of that tar.
type layer struct {
	path    string
	mode    int64
	size    int64
	content func() io.Reader // the same bytes on each call

	blob   store.Blob   // of the compressed tar
	diffID store.Digest // of the tar itself
}

// randomLayer holds size bytes that do not compress.
func randomLayer(path string, size int64, seed, stream uint64) layer {
	return layer{path: path, mode: 0o644, size: size, content: func() io.Reader {
		var key [32]byte
		binary.LittleEndian.PutUint64(key[:], seed)
		binary.LittleEndian.PutUint64(key[8:], stream)
		return io.LimitReader(rand.NewChaCha8(key), size)
	}}
}

func programLayer(program []byte) layer {
	return layer{path: "app", mode: 0o755, size: int64(len(program)),
		content: func() io.Reader { return bytes.NewReader(program) }}
}

// write writes the layer as the registry keeps it. Random bytes are not worth
// compressing: gzip stores them.
func (l *layer) write(w io.Writer, diff hash.Hash) error {
	zw, err := gzip.NewWriterLevel(w, gzip.NoCompression)
	if err != nil {
		return err
	}
	tw := tar.NewWriter(io.MultiWriter(zw, diff))
	h := &tar.Header{Typeflag: tar.TypeReg, Name: l.path, Mode: l.mode, Size: l.size, ModTime: epoch}
	if err := tw.WriteHeader(h); err != nil {
		return err
	}
	if _, err := io.Copy(tw, l.content()); err != nil {
		return err
	}
	if err := tw.Close(); err != nil {
		return err
	}
	return zw.Close()
}

// measure finds the layer's digests and size.
func (l *layer) measure() error {
	sum, diff := sha256.New(), sha256.New()
	var n counter
	if err := l.write(io.MultiWriter(sum, &n), diff); err != nil {
		return fmt.Errorf("measuring layer %s: %w", l.path, err)
	}
	l.blob = store.Blob{Digest: store.DigestOfSum(sum.Sum(nil)), Size: int64(n)}
	l.diffID = store.DigestOfSum(diff.Sum(nil))
	return nil
}

type counter int64

func (c *counter) Write(p []byte) (int, error) {
	*c += counter(len(p))
	return len(p), nil
}
