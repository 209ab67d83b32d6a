package imageset

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/daisy-mcast/daisy-mcast/pkg/store"
)

// A bundle is written as Daisy's build job did: the registry's directory lies
// where the job had it, every file is of root, and readable to all.
const (
	bundlePrefix = "tmp/registry/"
	bundleMode   = 0o644
)

// bundleTime is every file's in a bundle: the same images make the same bytes.
var bundleTime = time.Unix(0, 0).UTC()

// WriteBundle writes a set that st holds as a Daisy bundle's tar, not compressed:
// a registry:2 directory under tmp/registry, and the .version file when the set
// has a release. It depends on nothing but the set's content and release. Blobs
// are proven as they are read.
func WriteBundle(ctx context.Context, w io.Writer, set *store.Set, st *store.Store, progress func(done, total int64)) error {
	b := &bundleWriter{tw: tar.NewWriter(w), st: st, set: set, progress: progress, files: make(map[string][]byte)}
	err := b.write(ctx)
	if e := b.tw.Close(); err == nil {
		err = e
	}
	if err != nil {
		return fmt.Errorf("writing a bundle: %w", err)
	}
	return nil
}

type bundleWriter struct {
	tw       *tar.Writer
	st       *store.Store
	set      *store.Set
	progress func(done, total int64)
	done     int64
	files    map[string][]byte // links and the .version file, by name
}

func (b *bundleWriter) write(ctx context.Context) error {
	if err := b.version(); err != nil {
		return err
	}
	links, err := b.st.Links(b.set)
	if err != nil {
		return err
	}
	for name, d := range links {
		b.files[bundlePrefix+name] = []byte(d)
	}
	for _, blob := range b.set.Blobs {
		if err := b.blob(ctx, blob); err != nil {
			return err
		}
	}
	names := make([]string, 0, len(b.files))
	for name := range b.files {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		if err := b.header(name, int64(len(b.files[name]))); err != nil {
			return err
		}
		if _, err := b.tw.Write(b.files[name]); err != nil {
			return err
		}
	}
	return nil
}

// version notes Daisy's registry-<version>-<date>.version file.
func (b *bundleWriter) version() error {
	rel := b.set.Release
	if rel == (store.Release{}) {
		return nil
	}
	var sb strings.Builder
	if rel.Commit != "" {
		sb.WriteString(rel.Commit + "\n")
	}
	for _, f := range [][2]string{{"branch", rel.Branch}, {"tag", rel.Tag}, {"date", rel.Date}} {
		if f[1] != "" {
			fmt.Fprintf(&sb, "%s = %s\n", f[0], f[1])
		}
	}
	again, err := parseVersion([]byte(sb.String()))
	if err != nil || again != rel {
		return fmt.Errorf("%w: a release that a .version file cannot hold", errors.Join(ErrCorrupt, err))
	}
	b.files["registry-"+nameable(rel.Tag)+"-"+nameable(rel.Date)+".version"] = []byte(sb.String())
	return nil
}

// nameable keeps of s what a file's name may have.
func nameable(s string) string {
	s = strings.Map(func(r rune) rune {
		switch {
		case 'a' <= r && r <= 'z', 'A' <= r && r <= 'Z', '0' <= r && r <= '9', r == '.', r == '_', r == '-':
			return r
		case r == ' ', r == '/':
			return '-'
		}
		return -1
	}, s)
	if s == "" {
		return "none"
	}
	return s[:min(len(s), 64)]
}

func (b *bundleWriter) blob(ctx context.Context, blob store.Blob) error {
	hex := blob.Digest.Hex()
	if err := b.header(bundlePrefix+path.Join(store.RegistryRoot, "blobs/sha256", hex[:2], hex, "data"), blob.Size); err != nil {
		return err
	}
	pack, err := NewPack([]store.Blob{blob})
	if err != nil {
		return err
	}
	r := pack.Reader(b.st)
	defer r.Close()
	buf := make([]byte, copyBuffer)
	for {
		n, err := r.Read(buf)
		if _, err := b.tw.Write(buf[:n]); err != nil {
			return err
		}
		if b.done += int64(n); b.progress != nil && n > 0 {
			b.progress(b.done, b.set.TotalSize())
		}
		if errors.Is(err, io.EOF) {
			return ctx.Err()
		}
		if err = errors.Join(err, ctx.Err()); err != nil {
			return err
		}
	}
}

func (b *bundleWriter) header(name string, size int64) error {
	return b.tw.WriteHeader(&tar.Header{
		Typeflag: tar.TypeReg, Name: name, Size: size, Mode: bundleMode,
		ModTime: bundleTime, Uname: "root", Gname: "root",
	})
}
