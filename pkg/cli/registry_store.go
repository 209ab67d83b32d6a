package cli

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/pflag"

	"github.com/daisy-mcast/daisy-mcast/pkg/launch"
)

// storeFlags say which store registry verify and gc are about.
type storeFlags struct {
	dir, baseDir string
	output       outputFormat
}

func (f *storeFlags) AddFlags(fs *pflag.FlagSet) {
	fs.StringVar(&f.baseDir, "base-dir", launch.DefaultBaseDir, "our `DIR` on this machine")
	fs.StringVar(&f.dir, "store", "", "the store's `DIR`; default: the one in the base directory that is served")
	f.output = outputTable
	fs.VarP(&f.output, "output", "o", "the form of the answer")
}

// path returns the store's directory, which must be there: a name that was
// mistyped must not make an empty store.
func (f *storeFlags) path() (string, error) {
	dir := f.dir
	if dir == "" {
		dir = servedStore(f.baseDir)
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	info, err := os.Stat(dir)
	if err == nil && !info.IsDir() {
		err = errors.New("not a directory")
	}
	if err != nil {
		return "", usage(fmt.Errorf("the store %s: %w", dir, err), "name it with --store DIR")
	}
	return dir, nil
}

// servedStore is the store that this machine's registry serves: its own, or the
// central one of a machine that sends, whose registry serves only that. Where both
// are there, it is the one that was switched last.
func servedStore(baseDir string) string {
	own, central := filepath.Join(baseDir, "store"), filepath.Join(baseDir, "central")
	switched := func(dir string) (at time.Time) {
		if info, err := os.Stat(filepath.Join(dir, "daisy-mcast", "current")); err == nil {
			at = info.ModTime()
		}
		return at
	}
	if switched(central).After(switched(own)) {
		return central
	}
	return own
}

// shortID cuts a set's ID for tables.
func shortID(id string) string { return id[:min(12, len(id))] }

// sizeText is a number of bytes for people.
func sizeText(n int64) string {
	switch {
	case n >= 1e9:
		return fmt.Sprintf("%.1f GB", float64(n)/1e9)
	case n >= 1e6:
		return fmt.Sprintf("%.1f MB", float64(n)/1e6)
	}
	return fmt.Sprintf("%d bytes", n)
}
