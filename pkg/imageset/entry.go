package imageset

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/daisy-mcast/daisy-mcast/pkg/store"
)

// An entry is a regular file or a directory of a bundle.
type entry struct {
	name string // relative, slash-separated, as fs.ValidPath wants it
	dir  bool
	size int64
	body io.Reader // valid until the next entry; nil for a directory, or beside open
	// open reads a file at any time, beside others; nil when that cannot be.
	open func() (io.ReadCloser, error)
	from string // the source, where there are several; else ""
	link string // what a symbolic link holds, where links are taken; else ""
}

// entries are a bundle's, one after the other; next returns io.EOF at the end.
type entries interface {
	next() (entry, error)
}

// tarEntries reads them from a tar.
type tarEntries struct {
	tr    *tar.Reader
	count int
	links bool // symbolic links are taken
}

func (t *tarEntries) next() (entry, error) {
	h, err := t.tr.Next()
	if errors.Is(err, io.EOF) {
		return entry{}, err
	}
	if t.count == 0 && errors.Is(err, tar.ErrHeader) {
		return entry{}, fmt.Errorf("%w: it is not a tar", ErrNotBundle)
	}
	if err != nil && !errors.Is(err, tar.ErrInsecurePath) {
		return entry{}, classify(err)
	}
	if t.count++; t.count > maxEntries {
		return entry{}, fmt.Errorf("%w: more than %d entries", ErrTooLarge, maxEntries)
	}
	isLink := t.links && h.Typeflag == tar.TypeSymlink
	if err := checkHeader(h); err != nil && !isLink {
		return entry{}, &RefusedError{Entry: printable(h.Name), Err: err}
	}
	name, err := cleanName(h.Name)
	if err != nil {
		return entry{}, &RefusedError{Entry: printable(h.Name), Err: err}
	}
	e := entry{name: name, dir: h.Typeflag == tar.TypeDir, size: h.Size, body: t.tr}
	if isLink {
		e.link, e.size = h.Linkname, 0
	}
	return e, nil
}

// kinds are the typeflags that are refused, in words.
var kinds = map[byte]string{
	tar.TypeLink: "hard link", tar.TypeSymlink: "symbolic link", tar.TypeChar: "character device",
	tar.TypeBlock: "block device", tar.TypeFifo: "named pipe", tar.TypeGNUSparse: "sparse file",
}

func checkHeader(h *tar.Header) error {
	if h.Typeflag != tar.TypeReg && h.Typeflag != tar.TypeDir {
		kind := kinds[h.Typeflag]
		if kind == "" {
			kind = fmt.Sprintf("tar type %q", h.Typeflag)
		}
		return fmt.Errorf("%w: %s", ErrUnsafe, kind)
	}
	for key := range h.PAXRecords {
		if strings.HasPrefix(key, "GNU.sparse.") {
			return fmt.Errorf("%w: sparse file", ErrUnsafe)
		}
	}
	if h.Size < 0 || h.Size > store.MaxBlobSize {
		return fmt.Errorf("%w: %d bytes", ErrTooLarge, h.Size)
	}
	return nil
}

// cleanName takes off "./" in front and "/" behind, and refuses names that lead
// elsewhere or look like something they are not.
func cleanName(name string) (string, error) {
	if len(name) > maxName {
		return "", fmt.Errorf("%w: name of %d bytes", ErrUnsafe, len(name))
	}
	for strings.HasPrefix(name, "./") {
		name = name[2:]
	}
	name = strings.TrimSuffix(name, "/")
	if name == "" {
		name = "."
	}
	if !fs.ValidPath(name) || strings.ContainsFunc(name, unicode.IsControl) {
		return "", fmt.Errorf("%w: name leads elsewhere", ErrUnsafe)
	}
	for part := range strings.SplitSeq(name, "/") {
		if len(part) > maxComponent {
			return "", fmt.Errorf("%w: name with a part of %d bytes", ErrUnsafe, len(part))
		}
	}
	return name, nil
}

// printable makes a hostile name fit for a message.
func printable(name string) string {
	if len(name) > 200 {
		name = name[:200] + "…"
	}
	if !utf8.ValidString(name) || strings.ContainsFunc(name, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return fmt.Sprintf("%q", name)
	}
	return name
}

// walkEntries reads them from a directory of registry:2, as a bundle's that has
// no prefix.
type walkEntries struct {
	fsys  fs.FS
	queue []string // names still to be read, the next one last
	count int
}

func newWalk(fsys fs.FS) *walkEntries { return &walkEntries{fsys: fsys, queue: []string{"."}} }

func (w *walkEntries) next() (entry, error) {
	if len(w.queue) == 0 {
		return entry{}, io.EOF
	}
	name := w.queue[len(w.queue)-1]
	w.queue = w.queue[:len(w.queue)-1]
	if w.count++; w.count > maxEntries {
		return entry{}, fmt.Errorf("%w: more than %d entries", ErrTooLarge, maxEntries)
	}
	info, err := fs.Lstat(w.fsys, name)
	if err != nil {
		return entry{}, &readError{err}
	}
	switch {
	case info.IsDir():
		return entry{name: name, dir: true}, w.push(name)
	case !info.Mode().IsRegular():
		return entry{}, &RefusedError{Entry: printable(name), Err: fmt.Errorf("%w: %s", ErrUnsafe, fileKind(info))}
	}
	return entry{name: name, size: info.Size(), open: func() (io.ReadCloser, error) { return w.fsys.Open(name) }}, nil
}

// fileKind is what a file is that is no regular one, in words.
func fileKind(info fs.FileInfo) string {
	h, err := tar.FileInfoHeader(info, "")
	if err == nil && kinds[h.Typeflag] != "" {
		return kinds[h.Typeflag]
	}
	return info.Mode().Type().String()
}

func (w *walkEntries) push(dir string) error {
	list, err := fs.ReadDir(w.fsys, dir)
	if err != nil {
		return &readError{err}
	}
	for i := len(list) - 1; i >= 0; i-- {
		w.queue = append(w.queue, path.Join(dir, list[i].Name()))
	}
	return nil
}
