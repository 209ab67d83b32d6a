package launch

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/daisy-mcast/daisy-mcast/pkg/atomicfile"
	"github.com/daisy-mcast/daisy-mcast/pkg/engine"
)

// An engineRef is an engine that a container of ours was made in. It is noted
// before the container is made and until it is removed: an engine that is down
// cannot say what is in it.
type engineRef struct {
	Kind   engine.Kind `json:"kind"`
	Socket string      `json:"socket"`
}

// maxEngines bounds the note of engines in bytes.
const maxEngines = 64 << 10

func (s Spec) runDir() string      { return filepath.Join(s.BaseDir, "run") }
func (s Spec) enginesFile() string { return filepath.Join(s.runDir(), s.Name+".engines") }

// readEngines returns the engines noted, the newest first.
func (s Spec) readEngines() ([]engineRef, error) {
	path := s.enginesFile()
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading which engine the registry is in: %w", err)
	}
	if !info.Mode().IsRegular() || info.Size() > maxEngines {
		return nil, fmt.Errorf("%w: %s", ErrForeign, path)
	}
	raw, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("reading which engine the registry is in: %w", err)
	}
	return parseEngines(raw, path)
}

func parseEngines(raw []byte, path string) ([]engineRef, error) {
	var refs []engineRef
	if err := json.Unmarshal(raw, &refs); err != nil {
		return nil, fmt.Errorf("%w: %s: %w", ErrForeign, path, err)
	}
	for _, r := range refs {
		if r.Kind != engine.Docker && r.Kind != engine.Podman || !cleanPath(r.Socket) {
			return nil, fmt.Errorf("%w: %s names %q", ErrForeign, path, r)
		}
	}
	return refs, nil
}

// noteEngine remembers ref as the newest.
func (s Spec) noteEngine(ref engineRef) error {
	refs, err := s.readEngines()
	if err != nil {
		return err
	}
	if len(refs) > 0 && refs[0] == ref {
		return nil
	}
	return s.writeEngines(append([]engineRef{ref}, without(refs, ref)...))
}

// forgetEngine takes ref off the note.
func (s Spec) forgetEngine(ref engineRef) error {
	refs, err := s.readEngines()
	if err != nil || !slices.Contains(refs, ref) {
		return err
	}
	return s.writeEngines(without(refs, ref))
}

func without(refs []engineRef, ref engineRef) []engineRef {
	return slices.DeleteFunc(slices.Clone(refs), func(r engineRef) bool { return r == ref })
}

func (s Spec) writeEngines(refs []engineRef) error {
	if len(refs) == 0 {
		if err := os.Remove(s.enginesFile()); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("removing the note of the registry's engine: %w", err)
		}
		return nil
	}
	raw, err := json.Marshal(refs)
	if err != nil {
		return fmt.Errorf("noting the registry's engine: %w", err)
	}
	return atomicfile.WriteNew(s.enginesFile(), raw, 0o644)
}
