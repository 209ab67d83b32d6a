package imageset

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"strings"

	"github.com/daisy-mcast/daisy-mcast/pkg/store"
)

// A nameHash stands for a name: a million names do not fit in the memory that
// an import may take, their hashes do.
type nameHash [16]byte

func hashName(name string) nameHash {
	sum := sha256.Sum256([]byte(name))
	return nameHash(sum[:16])
}

// entry takes one entry of the bundle.
func (im *importer) entry(ctx context.Context, e entry) error {
	e.from = im.from
	p, err := im.place(e)
	if err == nil && !e.dir {
		err = im.file(ctx, e, p)
	}
	return im.refusal(ctx, err, e, p.digest)
}

// refusal names the entry in what is wrong with it.
func (im *importer) refusal(ctx context.Context, err error, e entry, d store.Digest) error {
	var refused *RefusedError
	var read *readError
	switch {
	case err == nil, errors.As(err, &refused), errors.As(err, &read), ctx.Err() != nil:
		return err
	}
	return &RefusedError{Entry: printable(e.name), Blob: d, Err: err}
}

// place finds out what an entry is. All of the registry must lie under one
// prefix.
func (im *importer) place(e entry) (place, error) {
	prefix, rest, inside := splitPrefix(e.name)
	if !inside {
		if e.dir {
			return place{}, nil
		}
		return placeOutside(e.name), nil
	}
	if im.found && prefix != im.prefix {
		return place{}, fmt.Errorf("%w: a second registry, the first is under %q", ErrUnsafe, im.prefix)
	}
	im.prefix, im.found = prefix, true
	if !e.dir {
		return placeInside(rest)
	}
	if top, _, _ := strings.Cut(rest, "/"); top != "" && top != "blobs" && top != "repositories" {
		return place{}, unknown()
	}
	return place{}, nil
}

func (im *importer) file(ctx context.Context, e entry, p place) error {
	h := hashName(e.name)
	if im.names[h] {
		return fmt.Errorf("%w: the name comes twice", ErrUnsafe)
	}
	im.names[h] = true
	switch p.kind {
	case kindOther, kindUpload:
		im.skip(e, p)
		return nil
	case kindVersion:
		return im.version(e)
	case kindBlob:
		return im.blob(ctx, e, p.digest)
	}
	return im.link(e, p)
}

// skip leaves a file out. An upload that never ended is of no interest, the rest
// is named.
func (im *importer) skip(e entry, p place) {
	if p.kind == kindUpload {
		return
	}
	if im.skips++; len(im.skipped) < maxNotes {
		im.skipped = append(im.skipped, printable(e.name))
	}
}

func (im *importer) noteSkipped() {
	for _, name := range im.skipped {
		im.note(name + " is not part of the registry and was left out")
	}
	if more := im.skips - len(im.skipped); more > 0 {
		im.note(fmt.Sprintf("%d more files that are not part of the registry were left out", more))
	}
}

func (im *importer) noteAbsent() {
	if im.beside > 0 {
		im.note(fmt.Sprintf("%d signatures and attestations beside images were left out", im.beside))
	}
	for _, text := range im.unmet[:min(len(im.unmet), maxNotes)] {
		im.note(text)
	}
	if more := len(im.unmet) - maxNotes; more > 0 {
		im.note(fmt.Sprintf("%d more are not as asked for", more))
	}
	for _, text := range im.absent[:min(len(im.absent), maxNotes)] {
		im.note(text)
	}
	if more := len(im.absent) - maxNotes; more > 0 {
		im.note(fmt.Sprintf("%d more images and layers are not in the bundle", more))
	}
}

func (im *importer) version(e entry) error {
	raw, err := readEntry(e, maxVersion)
	if err != nil {
		return err
	}
	if im.versioned {
		return fmt.Errorf("%w: a second .version file", ErrUnsafe)
	}
	im.versioned = true
	rel, err := parseVersion(raw)
	if im.release == nil {
		im.release = &rel
	}
	return err
}

// link takes a link file. Those of layers and of a tag's index only have to be
// well formed: activating the set makes them anew.
func (im *importer) link(e entry, p place) error {
	raw, err := readEntry(e, maxLinkFile)
	if err != nil {
		return err
	}
	target, err := store.ParseLink(raw)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	if p.kind == kindTag {
		return im.take(store.Image{Repository: p.repo, Tag: p.tag, Manifest: target})
	}
	if target != p.digest {
		return fmt.Errorf("%w: link holds %s", ErrCorrupt, target)
	}
	if p.kind == kindRevision {
		if len(im.revisions) >= maxRevisions {
			return fmt.Errorf("%w: more than %d revisions", ErrTooLarge, maxRevisions)
		}
		im.revisions[revision{p.repo, p.digest}] = true
	}
	return nil
}

// blob takes a blob. What the store has already is read and hashed all the
// same, but not written again, unless that is asked for. One that can be read in
// any order is left to a goroutine of its own.
func (im *importer) blob(ctx context.Context, e entry, d store.Digest) error {
	im.mu.Lock()
	n := len(im.blobs)
	im.blobs[d] = e.size
	im.mu.Unlock()
	if n >= store.MaxBlobs {
		return fmt.Errorf("%w: more than %d blobs", ErrTooLarge, store.MaxBlobs)
	}
	if e.open == nil {
		return im.hurt(e, d, im.blobFrom(ctx, e.body, e, d))
	}
	if im.skims(e.size) {
		return nil
	}
	im.workers.Go(func() error {
		err := im.opened(ctx, e, d)
		im.commits.note(err)
		return err
	})
	return nil
}

func (im *importer) opened(ctx context.Context, e entry, d store.Digest) error {
	body, err := e.open()
	if err != nil {
		return &readError{err}
	}
	defer body.Close()
	return im.refusal(ctx, im.hurt(e, d, im.blobFrom(ctx, body, e, d)), e, d)
}

func (im *importer) blobFrom(ctx context.Context, body io.Reader, e entry, d store.Digest) error {
	b := store.Blob{Digest: d, Size: e.size}
	if im.mem != nil {
		return im.examine(ctx, body, b)
	}
	im.st.Claim(d) // before it is looked for: GC may run beside us
	if !im.opts.Force && im.has(ctx, b) {
		im.know(b, knownBefore)
		h := sha256.New()
		if err := im.copy(ctx, h, body, b.Size); err != nil {
			return err
		}
		return checkSum(h, d)
	}
	defer im.st.Unclaim(d) // the writer has its own claim
	if err := im.space(store.Room{Bytes: b.Size, Inodes: 1}); err != nil {
		return err
	}
	return im.write(ctx, body, e, b)
}

func (im *importer) write(ctx context.Context, body io.Reader, e entry, b store.Blob) error {
	_, absent := im.st.Stat(b.Digest)
	w, err := im.written(ctx, body, e, b)
	if err != nil {
		return err
	}
	if absent != nil {
		im.know(b, knownAdded)
	}
	im.commits.commit(w, func(err error) error {
		if err = im.hurt(e, b.Digest, err); err != nil {
			return &RefusedError{Entry: printable(e.name), Err: err}
		}
		return nil
	})
	return nil
}

// written writes all of a blob. Of those that can be read in any order many are hashed
// at once; of the others one is, which takes a core of its own where that pays.
func (im *importer) written(ctx context.Context, body io.Reader, e entry, b store.Blob) (committable, error) {
	if e.open == nil && b.Size > copyBuffer {
		return im.writeBeside(ctx, body, b)
	}
	w, err := im.st.NewBlob(b)
	if err != nil {
		return nil, err
	}
	if err := im.copy(ctx, w, body, b.Size); err != nil {
		return nil, errors.Join(err, w.Abort())
	}
	return w, nil
}

func checkSum(h hash.Hash, want store.Digest) error {
	if got := store.DigestOfSum(h.Sum(nil)); got != want {
		return fmt.Errorf("%w: it hashes to %s", store.ErrDigestMismatch, got)
	}
	return nil
}

// copy copies so many bytes, all of them, and looks at the context between.
func (im *importer) copy(ctx context.Context, w io.Writer, r io.Reader, size int64) error {
	buf := im.bufs.Get().(*[copyBuffer]byte)
	defer im.bufs.Put(buf)
	for left := size; left > 0; {
		if err := ctx.Err(); err != nil {
			return err
		}
		n, err := io.ReadFull(r, buf[:min(left, copyBuffer)])
		if err != nil {
			return classify(noEOF(err))
		}
		if _, err := w.Write(buf[:n]); err != nil {
			return err
		}
		left -= int64(n)
		im.progressed(int64(n))
	}
	return nil
}

func noEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

func readEntry(e entry, max int64) ([]byte, error) {
	if e.size > max {
		return nil, fmt.Errorf("%w: %d bytes, at most %d are taken", ErrTooLarge, e.size, max)
	}
	body := e.body
	if e.open != nil {
		f, err := e.open()
		if err != nil {
			return nil, &readError{err}
		}
		defer f.Close()
		body = f
	}
	raw := make([]byte, e.size)
	if _, err := io.ReadFull(body, raw); err != nil {
		return nil, classify(noEOF(err))
	}
	return raw, nil
}
