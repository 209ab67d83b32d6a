package imageset

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"

	"github.com/daisy-mcast/daisy-mcast/pkg/store"
)

// files are what an archive holds, by name. The caller closes what it opens; the
// error wraps fs.ErrNotExist when there is no such regular file. Safe for
// concurrent use.
type files interface {
	open(name string) (body io.ReadCloser, size int64, err error)
}

// dirFiles are a directory's. A link that leads out of it is refused.
type dirFiles struct{ root *os.Root }

func (d dirFiles) open(name string) (io.ReadCloser, int64, error) {
	if _, err := cleanName(name); err != nil {
		return nil, 0, err
	}
	info, err := d.root.Stat(name)
	if err != nil {
		return nil, 0, err
	}
	if !info.Mode().IsRegular() { // before it is opened: a pipe would hang
		return nil, 0, fmt.Errorf("%s: %w: %v", printable(name), ErrUnsafe, info.Mode().Type())
	}
	f, err := d.root.Open(name)
	if err != nil {
		return nil, 0, err
	}
	return f, info.Size(), nil
}

// readSmallFile reads a file of an archive, at most max bytes of it.
func readSmallFile(files files, name string, max int64) ([]byte, error) {
	body, size, err := files.open(name)
	if err != nil {
		return nil, err
	}
	defer body.Close()
	if size > max {
		return nil, &RefusedError{Entry: printable(name), Err: fmt.Errorf("%w: %d bytes, at most %d are taken", ErrTooLarge, size, max)}
	}
	raw := make([]byte, size)
	if _, err := io.ReadFull(body, raw); err != nil {
		return nil, &RefusedError{Entry: printable(name), Err: classify(noEOF(err))}
	}
	return raw, nil
}

// blobName is where a digest's content lies in an OCI layout.
func blobName(d store.Digest) string { return path.Join("blobs", "sha256", d.Hex()) }

// OpenArchive opens a plain tar of docker save's kind, or of an OCI layout, of so
// many bytes. note is told what is left out.
func OpenArchive(ctx context.Context, f io.ReaderAt, size int64, note func(string)) (Origin, error) {
	index, err := indexTar(ctx, f, size)
	if err != nil {
		return nil, err
	}
	return openArchive(index, note)
}

func openArchive(files files, note func(string)) (Origin, error) {
	layout, err := openLayout(files, note)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	if layout != nil && len(layout.images) > 0 {
		return layout, nil
	}
	saved, err := openSaved(files, note)
	switch {
	case err == nil:
		return saved, nil
	case !errors.Is(err, fs.ErrNotExist):
		return nil, err
	case layout != nil:
		return nil, fmt.Errorf("%w: its index.json has no image with a repository in its name; %s", ErrNotBundle,
			"write it under repository:tag")
	}
	if _, _, err := files.open("repositories"); err == nil {
		return nil, fmt.Errorf("%w: it was saved by a Docker before 1.10; save it again", ErrNotBundle)
	}
	return nil, fmt.Errorf("%w: there is neither an index.json nor a manifest.json", ErrNotBundle)
}
