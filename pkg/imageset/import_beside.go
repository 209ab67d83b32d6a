package imageset

import (
	"context"
	"errors"
	"io"

	"github.com/daisy-mcast/daisy-mcast/pkg/store"
)

// besides is how many buffers the hashing of a blob may stay behind its writing.
const besides = 4

// A hashedBeside is a blob of a packed bundle, which one goroutine reads and writes
// while another hashes: together they take longer than unpacking does.
type hashedBeside struct {
	*store.BlobStage
	im   *importer
	full chan filled   // closed by who writes
	done chan struct{} // closed when all that was written is hashed
}

// filled is a buffer and how much of it is to be hashed.
type filled struct {
	buf *[copyBuffer]byte
	n   int
}

// writeBeside begins a blob, and copies all of it.
func (im *importer) writeBeside(ctx context.Context, body io.Reader, b store.Blob) (*hashedBeside, error) {
	stage, err := im.st.StageBlob(b)
	if err != nil {
		return nil, err
	}
	h := &hashedBeside{BlobStage: stage, im: im, full: make(chan filled, besides), done: make(chan struct{})}
	go h.hash()
	err = h.copy(ctx, body, b.Size)
	close(h.full)
	if err != nil {
		<-h.done
		return nil, errors.Join(err, stage.Abort())
	}
	return h, nil
}

func (h *hashedBeside) hash() {
	defer close(h.done)
	for f := range h.full {
		h.HashWritten(f.buf[:f.n])
		h.im.bufs.Put(f.buf)
	}
}

// copy is importer.copy, but for the hashing.
func (h *hashedBeside) copy(ctx context.Context, body io.Reader, size int64) error {
	for at := int64(0); at < size; {
		if err := ctx.Err(); err != nil {
			return err
		}
		buf := h.im.bufs.Get().(*[copyBuffer]byte)
		n, err := io.ReadFull(body, buf[:min(size-at, copyBuffer)])
		if err != nil {
			h.im.bufs.Put(buf)
			return classify(noEOF(err))
		}
		if _, err := h.WriteAt(buf[:n], at); err != nil {
			h.im.bufs.Put(buf)
			return err
		}
		h.full <- filled{buf, n}
		at += int64(n)
		h.im.progressed(int64(n))
	}
	return nil
}

// Commit is the stage's, once all is hashed.
func (h *hashedBeside) Commit() error {
	<-h.done
	return h.BlobStage.Commit()
}
