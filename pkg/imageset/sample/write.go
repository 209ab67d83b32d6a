package sample

import (
	"archive/tar"
	"crypto/sha256"
	"fmt"
	"io"
	"path"

	"github.com/klauspost/compress/gzip"

	"github.com/daisy-mcast/daisy-mcast/pkg/store"
)

// Write writes a bundle to w.
func Write(w io.Writer, o Options) error {
	o = o.withDefaults()
	if err := o.validate(); err != nil {
		return err
	}
	p, err := newPlan(o)
	if err != nil {
		return err
	}
	zw, err := gzip.NewWriterLevel(w, gzip.BestSpeed)
	if err != nil {
		return err
	}
	b := &bundle{tw: tar.NewWriter(zw), made: make(map[string]bool)}
	if err := b.writePlan(p); err != nil {
		return fmt.Errorf("writing sample bundle: %w", err)
	}
	if err := b.tw.Close(); err != nil {
		return err
	}
	return zw.Close()
}

// A bundle is the tar being written.
type bundle struct {
	tw   *tar.Writer
	root string          // .../docker/registry/v2
	made map[string]bool // directories and blobs that are in the tar
}

func (b *bundle) writePlan(p *plan) error {
	b.root = path.Join(p.o.Prefix, store.RegistryRoot)
	for _, img := range p.images {
		if err := b.writeBlobs(img); err != nil {
			return err
		}
	}
	for _, img := range p.images {
		if err := b.writeLinks(img, p.o.Tag); err != nil {
			return err
		}
	}
	return b.file(versionName(p.o.Release), versionText(p.o.Release))
}

func (b *bundle) writeBlobs(img image) error {
	for _, raw := range [][]byte{img.manifest, img.config} {
		blob := store.Blob{Digest: store.DigestOf(raw), Size: int64(len(raw))}
		err := b.blob(blob, func(w io.Writer) error {
			_, err := w.Write(raw)
			return err
		})
		if err != nil {
			return err
		}
	}
	for _, l := range img.layers {
		err := b.blob(l.blob, func(w io.Writer) error { return l.write(w, sha256.New()) })
		if err != nil {
			return err
		}
	}
	return nil
}

func (b *bundle) blob(blob store.Blob, write func(io.Writer) error) error {
	h := blob.Digest.Hex()
	name := path.Join(b.root, "blobs/sha256", h[:2], h, "data")
	if b.made[name] {
		return nil
	}
	if err := b.header(name, blob.Size); err != nil {
		return err
	}
	return write(b.tw)
}

func (b *bundle) writeLinks(img image, tag string) error {
	repo := path.Join(b.root, "repositories", img.repository)
	manifest, config := store.DigestOf(img.manifest), store.DigestOf(img.config)
	links := map[string]store.Digest{
		"_layers/sha256/" + config.Hex() + "/link":                             config,
		"_manifests/revisions/sha256/" + manifest.Hex() + "/link":              manifest,
		"_manifests/tags/" + tag + "/current/link":                             manifest,
		"_manifests/tags/" + tag + "/index/sha256/" + manifest.Hex() + "/link": manifest,
	}
	for _, l := range img.layers {
		links["_layers/sha256/"+l.blob.Digest.Hex()+"/link"] = l.blob.Digest
	}
	for _, name := range sortedKeys(links) {
		if err := b.file(path.Join(repo, name), string(links[name])); err != nil {
			return err
		}
	}
	return nil
}

func (b *bundle) file(name, content string) error {
	if err := b.header(name, int64(len(content))); err != nil {
		return err
	}
	_, err := io.WriteString(b.tw, content)
	return err
}

// header begins a file, after the directories on the way to it.
func (b *bundle) header(name string, size int64) error {
	b.made[name] = true
	if err := b.directory(path.Dir(name)); err != nil {
		return err
	}
	return b.tw.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: name, Size: size, Mode: 0o644, ModTime: epoch})
}

func (b *bundle) directory(dir string) error {
	if dir == "." || dir == "/" || b.made[dir] {
		return nil
	}
	b.made[dir] = true
	if err := b.directory(path.Dir(dir)); err != nil {
		return err
	}
	return b.tw.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: dir + "/", Mode: 0o755, ModTime: epoch})
}
