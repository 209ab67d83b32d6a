package engine

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"testing"
)

// TestProgramImage reads the archive as an engine does, for sizes around tar's
// blocks.
func TestProgramImage(t *testing.T) {
	for _, size := range []int{0, 1, 511, 512, 513, 70_000} {
		program := bytes.Repeat([]byte("p"), size)
		read := func() []byte {
			raw, err := io.ReadAll(ProgramImage(bytes.NewReader(program), int64(size), "arm64", "localhost/x:1"))
			if err != nil {
				t.Fatal(err)
			}
			return raw
		}
		raw := read()
		if !bytes.Equal(raw, read()) {
			t.Errorf("%d bytes: the second archive is another", size)
		}
		files := untar(t, raw)
		var manifest []archiveManifest
		if err := json.Unmarshal(files["manifest.json"], &manifest); err != nil || len(manifest) != 1 || manifest[0].RepoTags[0] != "localhost/x:1" {
			t.Fatalf("%d bytes: manifest %s, %v", size, files["manifest.json"], err)
		}
		layer := files[manifest[0].Layers[0]]
		var config struct {
			Architecture string
			Config       struct{ Entrypoint []string }
			RootFS       struct {
				DiffIDs []string `json:"diff_ids"`
			}
		}
		if err := json.Unmarshal(files[manifest[0].Config], &config); err != nil {
			t.Fatal(err)
		}
		if want := fmt.Sprintf("sha256:%x", sha256.Sum256(layer)); config.RootFS.DiffIDs[0] != want || config.Architecture != "arm64" {
			t.Errorf("%d bytes: configuration %+v, layer %s", size, config, want)
		}
		if got, ok := untar(t, layer)[config.Config.Entrypoint[0][1:]]; !ok || !bytes.Equal(got, program) {
			t.Errorf("%d bytes: the program has %d bytes in the layer", size, len(got))
		}
	}
}

func untar(t *testing.T, raw []byte) map[string][]byte {
	t.Helper()
	files := map[string][]byte{}
	for r := tar.NewReader(bytes.NewReader(raw)); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return files
		}
		if err != nil {
			t.Fatal(err)
		}
		if files[h.Name], err = io.ReadAll(r); err != nil {
			t.Fatal(err)
		}
	}
}

// changing is a program that is another one when it is read again.
type changing struct{ reads int }

func (c *changing) ReadAt(p []byte, off int64) (int, error) {
	c.reads++
	for i := range p {
		p[i] = byte(c.reads)
	}
	return len(p), nil
}

func TestProgramImageOfAChangingProgram(t *testing.T) {
	_, err := io.Copy(io.Discard, ProgramImage(&changing{}, 100, "amd64", "localhost/x:1"))
	if !errors.Is(err, ErrProgramChanged) {
		t.Errorf("got %v, want ErrProgramChanged", err)
	}
	_, err = io.Copy(io.Discard, ProgramImage(bytes.NewReader([]byte("short")), 100, "amd64", "localhost/x:1"))
	if !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("a program cut short: got %v", err)
	}
}
