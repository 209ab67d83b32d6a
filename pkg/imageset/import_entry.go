package imageset

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"strings"

	"golang.org/x/sys/unix"

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
	p, err := im.place(e)
	if err == nil && !e.dir {
		err = im.file(ctx, e, p)
	}
	var refused *RefusedError
	var read *readError
	switch {
	case err == nil, errors.As(err, &refused), errors.As(err, &read), ctx.Err() != nil:
		return err
	}
	return &RefusedError{Entry: printable(e.name), Blob: p.digest, Err: err}
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
	if im.release != nil {
		return fmt.Errorf("%w: a second .version file", ErrUnsafe)
	}
	rel, err := parseVersion(raw)
	im.release = &rel
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
		if len(im.tags) >= store.MaxImages {
			return fmt.Errorf("%w: more than %d tags", ErrTooLarge, store.MaxImages)
		}
		im.tags = append(im.tags, store.Image{Repository: p.repo, Tag: p.tag, Manifest: target})
		return nil
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
// same, but not written again, unless that is asked for.
func (im *importer) blob(ctx context.Context, e entry, d store.Digest) error {
	if len(im.blobs) >= store.MaxBlobs {
		return fmt.Errorf("%w: more than %d blobs", ErrTooLarge, store.MaxBlobs)
	}
	im.blobs[d] = e.size
	b := store.Blob{Digest: d, Size: e.size}
	im.st.Claim(d) // before it is looked for: GC may run beside us
	if !im.opts.Force && im.has(b) {
		im.claimed = append(im.claimed, d)
		h := sha256.New()
		if err := im.copy(ctx, h, e); err != nil {
			return err
		}
		return checkSum(h, d)
	}
	defer im.st.Unclaim(d) // the writer has its own claim
	if err := im.space(b); err != nil {
		return err
	}
	return im.write(ctx, e, b)
}

// has reports whether the store has the blob. A small one, which may be a
// manifest that is about to be read, is proven; a damaged layer shows when it is
// sent, see Pack.Reader.
func (im *importer) has(b store.Blob) bool {
	have, err := im.st.Stat(b.Digest)
	if err == nil && have.Size == b.Size && b.Size <= provenBlob {
		_, err = im.st.ReadBlob(b.Digest, provenBlob)
	}
	return err == nil && have.Size == b.Size
}

func (im *importer) write(ctx context.Context, e entry, b store.Blob) error {
	_, absent := im.st.Stat(b.Digest)
	w, err := im.st.NewBlob(b)
	if err != nil {
		return err
	}
	if err := im.copy(ctx, w, e); err != nil {
		return errors.Join(err, w.Abort())
	}
	if absent != nil {
		im.added = append(im.added, b.Digest)
	}
	im.commits.commit(w, func(err error) error {
		if err != nil {
			return &RefusedError{Entry: printable(e.name), Err: err}
		}
		return nil
	})
	return nil
}

func checkSum(h hash.Hash, want store.Digest) error {
	if got := store.DigestOfSum(h.Sum(nil)); got != want {
		return fmt.Errorf("%w: it hashes to %s", store.ErrDigestMismatch, got)
	}
	return nil
}

// space compares the next blob with what the filesystem has left: fault 18.
func (im *importer) space(b store.Blob) error {
	var fs unix.Statfs_t
	if err := unix.Statfs(im.st.Dir(), &fs); err != nil {
		return fmt.Errorf("looking for space in %s: %w", im.st.Dir(), err)
	}
	if free := int64(fs.Bavail) * fs.Bsize; b.Size > free {
		return fmt.Errorf("%w: the blob needs %d bytes, %s has %d left", ErrNoSpace, b.Size, im.st.Dir(), free)
	}
	return nil
}

// copy copies the entry's bytes, all of them, and looks at the context between.
func (im *importer) copy(ctx context.Context, w io.Writer, e entry) error {
	for left := e.size; left > 0; {
		if err := ctx.Err(); err != nil {
			return err
		}
		n, err := io.ReadFull(e.body, im.buf[:min(left, int64(len(im.buf)))])
		if err != nil {
			return classify(noEOF(err))
		}
		if _, err := w.Write(im.buf[:n]); err != nil {
			return err
		}
		left -= int64(n)
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
	raw := make([]byte, e.size)
	if _, err := io.ReadFull(e.body, raw); err != nil {
		return nil, classify(noEOF(err))
	}
	return raw, nil
}
