package imageset

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/daisy-mcast/daisy-mcast/pkg/store"
)

// A tally is what of a source the store lacks.
type tally struct {
	store.Room
	seen map[store.Digest]bool
}

// space compares what is to come with what the store's filesystem has left: fault 18,
// R16.
func (im *importer) space(need store.Room) error {
	if im.st == nil {
		return nil
	}
	free, err := store.RoomIn(im.st.Dir())
	switch {
	case err != nil:
		return err
	case need.Bytes > free.Bytes:
		return fmt.Errorf("%w: %d bytes are needed, %s has %d left", ErrNoSpace, need.Bytes, im.st.Dir(), free.Bytes)
	case need.Inodes > free.Inodes:
		return fmt.Errorf("%w: %d inodes are needed, %s has %d left", ErrNoSpace, need.Inodes, im.st.Dir(), free.Inodes)
	}
	return nil
}

// count adds a blob to what is to come, unless the store has it.
func (im *importer) count(t *tally, b store.Blob) {
	if im.st == nil || t.seen[b.Digest] {
		return
	}
	if t.seen == nil {
		t.seen = make(map[store.Digest]bool)
	}
	t.seen[b.Digest] = true
	if have, err := im.st.Stat(b.Digest); err != nil || have.Size != b.Size {
		t.Bytes += b.Size
		t.Inodes += 2 // its directory and its file
	}
}

// countFile adds a file of a registry to what is to come, if it is a blob.
func (im *importer) countFile(t *tally, e entry) {
	_, rest, ok := splitPrefix(e.name)
	if !ok || e.dir {
		return
	}
	if p, err := placeInside(rest); err == nil && p.kind == kindBlob {
		im.count(t, store.Blob{Digest: p.digest, Size: e.size})
	}
}

// survey reads the names and sizes of a registry's files, for the progress and for
// the space that they need, before one of them is taken. What is wrong with them is
// for who takes them to say.
func (im *importer) survey(ctx context.Context, list entries) error {
	var total int64
	var need tally
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		e, err := list.next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		total += e.size
		im.countFile(&need, e)
	}
	if err := im.space(need.Room); err != nil {
		return err
	}
	im.expect(total)
	return nil
}

// surveyPacked is survey of a packed file, of which nothing is known before it is
// unpacked. That is done twice only when the filesystem might not take what comes of
// it: time well spent then. What is wrong with the file is for who takes it to say.
func (im *importer) surveyPacked(ctx context.Context, f io.ReaderAt, size int64) error {
	if im.st == nil {
		return nil
	}
	src, err := newSource(ctx, io.NewSectionReader(f, 0, size), size, "", nil)
	if err != nil {
		return nil
	}
	defer src.Close()
	head, _ := src.head.Peek(sniffed)
	isArchive := sniff(head) != formatBundle
	doubtful := store.Room{Bytes: bundleRatio * size, Inodes: manyInodes}
	if isArchive { // or may be one
		doubtful.Bytes = archiveRatio * size
	}
	if im.space(doubtful) == nil {
		return nil
	}
	var need tally
	for list := (&tarEntries{tr: tar.NewReader(src.tail), links: true}); ; {
		if err := ctx.Err(); err != nil {
			return err
		}
		e, err := list.next()
		switch {
		case err != nil:
			return im.space(need.Room)
		case isArchive: // it is unpacked to a file, whose blobs are counted then
			need.Bytes += e.size
		default:
			im.countFile(&need, e)
		}
	}
}
