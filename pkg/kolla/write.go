package kolla

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/daisy-mcast/daisy-mcast/pkg/atomicfile"
)

// An Action is what became, or would become, of the drop-in.
type Action string

// The actions of Write, Remove and their plans.
const (
	Created   Action = "created"
	Changed   Action = "changed"
	Removed   Action = "removed"
	Unchanged Action = "unchanged" // for Remove: there was none
)

// A Change is the result of Write or Remove.
type Change struct {
	Path     string
	Action   Action
	Previous []byte // what the file held before; nil when there was none
}

// Notice returns what the operator has to know about c, or "" when nothing
// changed (R14).
func (c Change) Notice() string {
	if c.Action == Unchanged {
		return ""
	}
	return fmt.Sprintf("%s was %s: where that changes docker_registry or a tag, Kolla recreates every container at its next deploy", c.Path, c.Action)
}

// ErrForeign is returned for a file of the drop-in's name that daisy-mcast did
// not write. It is left as it is.
var ErrForeign = errors.New("kolla: not written by daisy-mcast")

const (
	maxDropIn  = 4 << 20 // bytes; a thousand leaning hosts take 64 KiB
	dropInMode = 0o644   // Ansible may run as another user; nothing in it is secret
)

// Plan returns what Write would do, and does nothing.
func Plan(dir string, content []byte) (Change, error) {
	root, err := openDir(dir)
	if err != nil {
		return Change{}, err
	}
	defer root.Close()
	return plan(root, content)
}

// PlanRemove returns what Remove would do, and does nothing.
func PlanRemove(dir string) (Change, error) {
	root, err := openDir(dir)
	if err != nil {
		return Change{}, err
	}
	defer root.Close()
	return planRemove(root)
}

// Write puts content, made by Render, into dir, which is /etc/kolla/globals.d
// and must exist. The file is replaced as a whole or not at all. ErrForeign when
// somebody else's file, a symbolic link or a directory has its name.
func Write(dir string, content []byte) (Change, error) {
	if !isOurs(content) {
		return Change{}, fmt.Errorf("writing %s: %w", FileName, ErrForeign)
	}
	root, err := openDir(dir)
	if err != nil {
		return Change{}, err
	}
	defer root.Close()
	change, err := plan(root, content)
	if err != nil || change.Action == Unchanged {
		return change, err
	}
	if err := atomicfile.WriteIn(root, FileName, content, dropInMode); err != nil {
		return Change{}, err
	}
	return change, nil
}

// Remove takes the drop-in out of dir. ErrForeign as with Write.
func Remove(dir string) (Change, error) {
	root, err := openDir(dir)
	if err != nil {
		return Change{}, err
	}
	defer root.Close()
	change, err := planRemove(root)
	if err != nil || change.Action == Unchanged {
		return change, err
	}
	if err := root.Remove(FileName); err != nil {
		return Change{}, fmt.Errorf("removing the drop-in: %w", err)
	}
	return change, atomicfile.SyncDir(root)
}

func openDir(dir string) (*os.Root, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("opening Kolla's globals.d: %w", err)
	}
	return root, nil
}

func plan(root *os.Root, content []byte) (Change, error) {
	change := Change{Path: filepath.Join(root.Name(), FileName)}
	previous, mode, err := current(root)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		change.Action = Created
		return change, nil
	case err != nil:
		return Change{}, err
	}
	change.Previous = previous
	change.Action = Changed
	if bytes.Equal(previous, content) && mode.Perm() == dropInMode {
		change.Action = Unchanged
	}
	return change, nil
}

func planRemove(root *os.Root) (Change, error) {
	change := Change{Path: filepath.Join(root.Name(), FileName), Action: Removed}
	previous, _, err := current(root)
	if errors.Is(err, fs.ErrNotExist) {
		change.Action = Unchanged
		return change, nil
	}
	if err != nil {
		return Change{}, err
	}
	change.Previous = previous
	return change, nil
}

// current returns the drop-in that is there: fs.ErrNotExist when there is none,
// ErrForeign when it is not ours.
func current(root *os.Root) ([]byte, fs.FileMode, error) {
	path := filepath.Join(root.Name(), FileName)
	info, err := root.Lstat(FileName)
	if err != nil {
		return nil, 0, fmt.Errorf("looking at %s: %w", path, err)
	}
	if !info.Mode().IsRegular() || info.Size() > maxDropIn {
		return nil, 0, fmt.Errorf("%s (%v, %d bytes): %w", path, info.Mode(), info.Size(), ErrForeign)
	}
	f, err := root.Open(FileName)
	if err != nil {
		return nil, 0, fmt.Errorf("opening %s: %w", path, err)
	}
	defer f.Close()
	content, err := io.ReadAll(io.LimitReader(f, maxDropIn))
	if err != nil {
		return nil, 0, fmt.Errorf("reading %s: %w", path, err)
	}
	if !isOurs(content) {
		return nil, 0, fmt.Errorf("%s: %w", path, ErrForeign)
	}
	return content, info.Mode(), nil
}

func isOurs(content []byte) bool {
	return bytes.HasPrefix(content, []byte(header))
}
