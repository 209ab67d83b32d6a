package imageset

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"sync/atomic"

	"github.com/daisy-mcast/daisy-mcast/pkg/store"
)

// format is what a tar or a directory holds.
type format uint8

const (
	formatUnknown format = iota
	formatBundle         // a registry:2 directory
	formatArchive        // docker save's, or an OCI layout, or both in one
)

// formatOf is what the name of an entry tells.
func formatOf(name string) format {
	name = strings.TrimSuffix(strings.TrimPrefix(name, "./"), "/")
	if _, _, ok := splitPrefix(name); ok {
		return formatBundle
	}
	top, _, _ := strings.Cut(name, "/")
	switch top {
	case "oci-layout", "index.json", "manifest.json", "repositories", "blobs":
		return formatArchive
	}
	hex, _, _ := strings.Cut(top, ".")
	if _, err := store.ParseDigest("sha256:" + hex); err == nil {
		return formatArchive
	}
	return formatUnknown
}

// sniff finds a tar's format by its first bytes. Archives of engines begin with a
// name that tells; other tools may begin with a large layer under any name. What is no
// tar, or ends there, is left to who reads bundles to refuse.
func sniff(head []byte) format {
	entries := 0
	for tr := tar.NewReader(bytes.NewReader(head)); ; entries++ {
		h, err := tr.Next()
		if entries > 0 && errors.Is(err, io.ErrUnexpectedEOF) {
			return formatUnknown
		}
		if err != nil {
			return formatBundle
		}
		if f := formatOf(h.Name); f != formatUnknown {
			return f
		}
	}
}

// path takes a file or a directory.
func (im *importer) path(ctx context.Context, name string) error {
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	im.restart()
	switch {
	case info.IsDir() && (im.opts.DemandSum || im.opts.SHA512 != ""):
		return fmt.Errorf("%w: a directory has none", ErrCheckSum)
	case !info.Mode().IsRegular() && im.opts.DemandSum && im.opts.SHA512 == "":
		return fmt.Errorf("%w: there is no %s.sha512sum", ErrCheckSum, name)
	case info.IsDir():
		return im.directory(ctx, name)
	case !info.Mode().IsRegular(): // /dev/stdin
		return im.packed(ctx, f, 0, im.opts.SHA512)
	}
	return im.regular(ctx, f, info)
}

// regular takes a file, and proves that it stays as it is meanwhile.
func (im *importer) regular(ctx context.Context, f *os.File, info os.FileInfo) error {
	rec, err := newRecord(f.Name(), info)
	if err != nil {
		return err
	}
	want, err := im.opts.sumOf(f.Name())
	if err != nil {
		return err
	}
	if err := im.content(ctx, f, info.Size(), want); err != nil {
		return err
	}
	after, err := f.Stat()
	if err != nil {
		return err
	}
	if again, err := newRecord(f.Name(), after); err != nil || again != rec {
		return errors.Join(ErrSourceChanged, err)
	}
	return nil
}

// content takes a file's bytes: a plain tar in any order, a packed one from its
// beginning to its end.
func (im *importer) content(ctx context.Context, f *os.File, size int64, want string) error {
	if isPacked(f) || size == 0 {
		if err := im.surveyPacked(ctx, f, size); err != nil {
			return err
		}
		return im.packed(ctx, f, size, want)
	}
	sum := startSum(ctx, f, size, want)
	err := im.plain(ctx, f, size)
	if e := sum(err != nil); err == nil {
		err = e
	}
	return err
}

func (im *importer) plain(ctx context.Context, f io.ReaderAt, size int64) error {
	index, err := indexTar(ctx, f, size)
	if err != nil {
		return err
	}
	if index.format == formatArchive {
		return im.archive(ctx, index)
	}
	if err := im.survey(ctx, &indexedEntries{index: index}); err != nil {
		return err
	}
	return im.read(ctx, &indexedEntries{index: index})
}

// packed takes a tar that can be read only once. An archive of an engine, whose
// list of contents may come last, is unpacked to a file first, and so is what does not
// say what it is.
func (im *importer) packed(ctx context.Context, r io.Reader, total int64, want string) error {
	src, err := newSource(ctx, r, total, want, im.opts.Progress)
	if err != nil {
		return err
	}
	defer src.Close()
	head, err := src.head.Peek(sniffed)
	if len(head) == 0 && err != nil && !errors.Is(err, io.EOF) {
		return classify(err)
	}
	if sniff(head) != formatBundle {
		return im.spooled(ctx, src, want)
	}
	if err := im.read(ctx, &tarEntries{tr: tar.NewReader(src.tail)}); err != nil {
		return err
	}
	return src.finish(want)
}

// spooled takes an archive by way of a file that has no name, so that nothing is
// left of it however this ends.
func (im *importer) spooled(ctx context.Context, src *source, want string) error {
	dir := "" // of temporary files
	if im.st != nil {
		dir = im.st.OwnDir()
	}
	f, err := os.CreateTemp(dir, ".spool-*")
	if err != nil {
		return fmt.Errorf("unpacking the archive: %w", err)
	}
	defer f.Close()
	if err := os.Remove(f.Name()); err != nil {
		return fmt.Errorf("unpacking the archive: %w", err)
	}
	size, err := io.Copy(f, onlyReader{src.tail})
	if err != nil {
		return errors.Join(classifySpool(err), ctx.Err())
	}
	if err := src.finish(want); err != nil {
		return err
	}
	return im.plain(ctx, f, size)
}

// onlyReader hides what else a reader can do.
type onlyReader struct{ io.Reader }

// classifySpool tells the disk's errors from the archive's.
func classifySpool(err error) error {
	var disk *fs.PathError
	var read *readError
	if errors.As(err, &disk) && !errors.As(err, &read) {
		return fmt.Errorf("unpacking the archive: %w", err)
	}
	return classify(err)
}

func (im *importer) directory(ctx context.Context, dir string) error {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	for _, name := range []string{"index.json", "manifest.json"} {
		if info, err := root.Lstat(name); err == nil && info.Mode().IsRegular() {
			return im.archive(ctx, dirFiles{root})
		}
	}
	if err := im.survey(ctx, newWalk(root.FS())); err != nil {
		return err
	}
	return im.read(ctx, newWalk(root.FS()))
}

// archive takes an OCI layout or, where its index names no image, docker save's
// list.
func (im *importer) archive(ctx context.Context, files files) error {
	o, err := openArchive(files, im.note)
	if err != nil {
		return err
	}
	defer o.Close()
	return im.origin(ctx, o)
}

// isPacked reports whether a file is compressed.
func isPacked(f io.ReaderAt) bool {
	var magic [4]byte
	n, _ := f.ReadAt(magic[:], 0)
	return packing(magic[:n]) != packedNot
}

// startSum compares the file's SHA-512 with want beside the reading of it. The
// function that it returns waits for the end, or stops it.
func startSum(ctx context.Context, f io.ReaderAt, size int64, want string) func(stop bool) error {
	if want == "" {
		return func(bool) error { return nil }
	}
	var stopped atomic.Bool
	done := make(chan error, 1)
	go func() {
		done <- sumIs(io.NewSectionReader(f, 0, size), want, func() error {
			if stopped.Load() {
				return context.Canceled
			}
			return ctx.Err()
		})
	}()
	return func(stop bool) error {
		if stop {
			stopped.Store(true)
		}
		return <-done
	}
}
