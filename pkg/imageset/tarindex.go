package imageset

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
)

// A tarIndex says where the files of a plain tar lie. It is safe for concurrent
// use.
type tarIndex struct {
	f      io.ReaderAt
	list   []indexed
	byName map[string]int // into list; made when an archive is opened by name
	format format
}

// indexed is an entry of a tar, without its content.
type indexed struct {
	entry
	at int64 // where the content begins
}

// indexTar reads the headers of a tar of so many bytes, all of them.
func indexTar(ctx context.Context, f io.ReaderAt, size int64) (*tarIndex, error) {
	r := io.NewSectionReader(f, 0, size)
	list := &tarEntries{tr: tar.NewReader(r), links: true}
	x := &tarIndex{f: f}
	names := 0
	for {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		e, err := list.next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
		if names += len(e.name) + len(e.link); names > maxNames {
			return nil, fmt.Errorf("%w: more than %d bytes of names", ErrTooLarge, maxNames)
		}
		at, err := r.Seek(0, io.SeekCurrent)
		if err != nil {
			return nil, &readError{err}
		}
		if x.format == formatUnknown {
			x.format = formatOf(e.name)
		}
		x.list = append(x.list, indexed{entry: e, at: at})
	}
	if err := checkEnd(r, size); err != nil {
		return nil, err
	}
	return x, x.finish()
}

// checkEnd wants a tar's end-of-archive mark, and nothing but zeros behind it.
func checkEnd(r *io.SectionReader, size int64) error {
	at, err := r.Seek(0, io.SeekCurrent)
	if err != nil {
		return &readError{err}
	}
	at -= 1024
	if at < 0 {
		return fmt.Errorf("%w: no end-of-archive mark", ErrTruncated)
	}
	if size-at > maxTrailing {
		return fmt.Errorf("%w: data after the end of the archive", ErrCorrupt)
	}
	buf := make([]byte, 64<<10)
	for isMark := true; at < size; isMark = false {
		n, err := r.ReadAt(buf[:min(int64(len(buf)), size-at)], at)
		if err != nil && !errors.Is(err, io.EOF) {
			return &readError{err}
		}
		switch zeros := len(bytes.Trim(buf[:n], "\x00")) == 0; {
		case !zeros && isMark && len(bytes.Trim(buf[:min(n, 1024)], "\x00")) > 0:
			return fmt.Errorf("%w: no end-of-archive mark", ErrTruncated)
		case !zeros:
			return fmt.Errorf("%w: data after the end of the archive", ErrCorrupt)
		case n == 0:
			return fmt.Errorf("%w: it got shorter", ErrTruncated)
		}
		at += int64(n)
	}
	return nil
}

// finish gives the entries their content, and refuses what the format does not
// have: links are for archives alone, and names that come twice for none.
func (x *tarIndex) finish() error {
	for i := range x.list {
		e := &x.list[i]
		if e.link != "" && x.format != formatArchive {
			return &RefusedError{Entry: printable(e.name), Err: fmt.Errorf("%w: %s", ErrUnsafe, kinds[tar.TypeSymlink])}
		}
		if !e.dir && e.link == "" {
			at, size := e.at, e.size
			e.open = func() (io.ReadCloser, error) { return io.NopCloser(io.NewSectionReader(x.f, at, size)), nil }
		}
		e.body = nil
	}
	if x.format != formatArchive {
		return nil
	}
	x.byName = make(map[string]int, len(x.list))
	for i, e := range x.list {
		if e.dir {
			continue
		}
		if _, twice := x.byName[e.name]; twice {
			return &RefusedError{Entry: printable(e.name), Err: fmt.Errorf("%w: the name comes twice", ErrUnsafe)}
		}
		x.byName[e.name] = i
	}
	return nil
}

// open opens a file by name. Docker and Podman save a layer that comes twice as a
// link to the first; links are followed inside the archive only.
func (x *tarIndex) open(name string) (io.ReadCloser, int64, error) {
	at := name
	for range maxLinks {
		clean, err := cleanName(at)
		if err != nil {
			return nil, 0, &RefusedError{Entry: printable(name), Err: err}
		}
		i, ok := x.byName[clean]
		if !ok {
			return nil, 0, fmt.Errorf("%s: %w", printable(name), fs.ErrNotExist)
		}
		e := x.list[i]
		if e.link == "" {
			body, err := e.open()
			return body, e.size, err
		}
		if path.IsAbs(e.link) {
			break
		}
		at = path.Join(path.Dir(clean), e.link)
	}
	return nil, 0, &RefusedError{Entry: printable(name), Err: fmt.Errorf("%w: link leads elsewhere", ErrUnsafe)}
}

// indexedEntries are a bundle's in a plain tar.
type indexedEntries struct {
	index *tarIndex
	at    int
}

func (x *indexedEntries) next() (entry, error) {
	if x.at == len(x.index.list) {
		return entry{}, io.EOF
	}
	x.at++
	return x.index.list[x.at-1].entry, nil
}
