package cli

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/daisy-mcast/daisy-mcast/pkg/remote"
)

// programs finds our own binary for the hosts' architectures: the running one for
// this machine's, and dir/daisy-mcast-linux-ARCH for others (R5). Each is read
// once.
type programs struct {
	dir string

	mu    sync.Mutex
	found map[string]remote.Program
}

func newPrograms(dir string) *programs {
	return &programs{dir: dir, found: make(map[string]remote.Program)}
}

func (p *programs) forArch(arch string) (remote.Program, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if prog, ok := p.found[arch]; ok {
		return prog, nil
	}
	path, err := p.path(arch)
	if err != nil {
		return remote.Program{}, err
	}
	prog, err := openProgram(path)
	if err != nil {
		return remote.Program{}, fmt.Errorf("the program for %s: %w", arch, err)
	}
	p.found[arch] = prog
	return prog, nil
}

func (p *programs) path(arch string) (string, error) {
	if p.dir != "" {
		return filepath.Join(p.dir, "daisy-mcast-linux-"+arch), nil
	}
	if arch != runtime.GOARCH {
		return "", fmt.Errorf("this program is for %s: give --program-dir with daisy-mcast-linux-%s", runtime.GOARCH, arch)
	}
	return os.Executable()
}

// openProgram leaves the file open: hosts read it until the process ends.
func openProgram(path string) (remote.Program, error) {
	f, err := os.Open(path)
	if err != nil {
		return remote.Program{}, err
	}
	sum := sha256.New()
	n, err := io.Copy(sum, f)
	if err != nil {
		return remote.Program{}, err
	}
	packed := sync.OnceValues(func() ([]byte, error) { return packProgram(f, n) })
	return remote.Program{
		Reader: f, Size: n, SHA256: hex.EncodeToString(sum.Sum(nil)),
		Packed: func() (io.ReaderAt, int64, error) {
			b, err := packed()
			return bytes.NewReader(b), int64(len(b)), err
		},
	}, nil
}

// packPart is what one core packs at a time.
const packPart = 2 << 20

// packProgram packs it for the way over SSH: a thousand copies leave this machine. The
// fastest level comes to half of the bytes. Every host waits for it, so all cores pack:
// gzip files one after the other unpack to their contents one after the other
// (RFC 1952, section 2.2).
func packProgram(r io.ReaderAt, size int64) ([]byte, error) {
	var g errgroup.Group
	g.SetLimit(runtime.GOMAXPROCS(0))
	parts := make([]bytes.Buffer, (size+packPart-1)/packPart)
	for i := range parts {
		g.Go(func() error {
			w, err := gzip.NewWriterLevel(&parts[i], gzip.BestSpeed)
			if err != nil {
				return err
			}
			at := int64(i) * packPart
			_, err = io.Copy(w, io.NewSectionReader(r, at, min(packPart, size-at)))
			return errors.Join(err, w.Close())
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	var b bytes.Buffer
	for i := range parts {
		b.Write(parts[i].Bytes())
	}
	return b.Bytes(), nil
}
