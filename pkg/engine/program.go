package engine

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"time"
)

// Where things lie in an image of ProgramImage. The directories are there to
// mount over: a read-only root takes no new ones.
const (
	ProgramPath  = "/daisy-mcast" // the program, the image's entrypoint
	StorePath    = "/store"
	CertsPath    = "/certs"
	programMode  = 0o755
	programEntry = "daisy-mcast"
)

// ErrProgramChanged is returned while an image is read when the program is not
// what it was at the start.
var ErrProgramChanged = errors.New("engine: the program changed while it was read")

// ProgramImage returns an image archive, as docker save makes it, of one static
// program for linux/arch (a GOARCH name), under the name tag
// ("repository:tag"). The archive is made while it is read and depends on
// nothing but the arguments. The program is read twice, once for its digest,
// because the image's configuration names the digest and goes first. Errors,
// also of reading the program, are returned by Read.
func ProgramImage(program io.ReaderAt, size int64, arch, tag string) io.Reader {
	return &programImage{program: program, size: size, arch: arch, tag: tag}
}

// A programImage is the reader of ProgramImage; for one goroutine.
type programImage struct {
	program   io.ReaderAt
	size      int64
	arch, tag string
	archive   io.Reader // nil before the first Read
	err       error
}

func (p *programImage) Read(b []byte) (int, error) {
	if p.archive == nil && p.err == nil {
		p.archive, p.err = p.open()
	}
	if p.err != nil {
		return 0, p.err
	}
	return p.archive.Read(b)
}

// open reads the program for its digest and returns the archive.
func (p *programImage) open() (io.Reader, error) {
	head, tail, err := layerAround(p.size)
	if err != nil {
		return nil, fmt.Errorf("making the layer of %s: %w", p.tag, err)
	}
	layer := func() io.Reader {
		return io.MultiReader(bytes.NewReader(head), exactly(p.program, p.size), bytes.NewReader(tail))
	}
	sum := sha256.New()
	n, err := io.Copy(sum, layer())
	if err != nil {
		return nil, fmt.Errorf("reading the program: %w", err)
	}
	diffID := hex.EncodeToString(sum.Sum(nil))
	config, err := json.Marshal(programConfig(p.arch, "sha256:"+diffID))
	if err != nil {
		return nil, fmt.Errorf("making the configuration of %s: %w", p.tag, err)
	}
	configSum := sha256.Sum256(config)
	configName := hex.EncodeToString(configSum[:]) + ".json"
	manifest, err := json.Marshal([]archiveManifest{{
		Config: configName, RepoTags: []string{p.tag}, Layers: []string{diffID + ".tar"},
	}})
	if err != nil {
		return nil, fmt.Errorf("making the manifest of %s: %w", p.tag, err)
	}
	checked := &unchanged{r: layer(), sum: sha256.New(), want: diffID}
	return archiveOf([]archiveEntry{
		{configName, int64(len(config)), bytes.NewReader(config)},
		{"manifest.json", int64(len(manifest)), bytes.NewReader(manifest)},
		{diffID + ".tar", n, checked},
	})
}

// An archiveManifest is one image in manifest.json of docker save.
type archiveManifest struct {
	Config   string
	RepoTags []string
	Layers   []string
}

// programConfig is an OCI image configuration.
func programConfig(arch, diffID string) any {
	type object = map[string]any
	epoch := time.Unix(0, 0).UTC()
	return object{
		"architecture": arch,
		"os":           "linux",
		"created":      epoch,
		"config":       object{"Entrypoint": []string{ProgramPath}, "WorkingDir": "/"},
		"rootfs":       object{"type": "layers", "diff_ids": []string{diffID}},
		"history":      []object{{"created": epoch, "created_by": "daisy-mcast"}},
	}
}

// layerAround returns what stands before and after the program's bytes in the
// layer.
func layerAround(size int64) (head, tail []byte, err error) {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, dir := range []string{CertsPath, StorePath} {
		if err := w.WriteHeader(entry(dir[1:]+"/", tar.TypeDir, 0)); err != nil {
			return nil, nil, err
		}
	}
	if err := w.WriteHeader(entry(programEntry, tar.TypeReg, size)); err != nil {
		return nil, nil, err
	}
	return b.Bytes(), append(padding(size), make([]byte, 2*tarBlock)...), nil
}

type archiveEntry struct {
	name string
	size int64
	body io.Reader
}

// archiveOf strings entries together as one tar.
func archiveOf(entries []archiveEntry) (io.Reader, error) {
	var parts []io.Reader
	for _, e := range entries {
		var head bytes.Buffer
		if err := tar.NewWriter(&head).WriteHeader(entry(e.name, tar.TypeReg, e.size)); err != nil {
			return nil, fmt.Errorf("making the archive's entry %s: %w", e.name, err)
		}
		parts = append(parts, &head, e.body, bytes.NewReader(padding(e.size)))
	}
	parts = append(parts, bytes.NewReader(make([]byte, 2*tarBlock)))
	return io.MultiReader(parts...), nil
}

const tarBlock = 512

func padding(size int64) []byte { return make([]byte, (tarBlock-size%tarBlock)%tarBlock) }

func entry(name string, kind byte, size int64) *tar.Header {
	return &tar.Header{
		Typeflag: kind, Name: name, Mode: programMode, Size: size,
		ModTime: time.Unix(0, 0), Format: tar.FormatUSTAR,
	}
}

// exactly reads size bytes of r; fewer are io.ErrUnexpectedEOF.
func exactly(r io.ReaderAt, size int64) io.Reader {
	return &exactReader{r: io.NewSectionReader(r, 0, size), left: size}
}

type exactReader struct {
	r    io.Reader
	left int64
}

func (e *exactReader) Read(b []byte) (int, error) {
	n, err := e.r.Read(b)
	e.left -= int64(n)
	if err == io.EOF && e.left > 0 {
		err = io.ErrUnexpectedEOF
	}
	return n, err
}

// unchanged fails at the end of r when its digest is not want.
type unchanged struct {
	r    io.Reader
	sum  hash.Hash
	want string
}

func (u *unchanged) Read(b []byte) (int, error) {
	n, err := u.r.Read(b)
	u.sum.Write(b[:n])
	if err == io.EOF && hex.EncodeToString(u.sum.Sum(nil)) != u.want {
		err = ErrProgramChanged
	}
	return n, err
}
