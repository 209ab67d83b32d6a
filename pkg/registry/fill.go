package registry

import (
	"errors"
	"fmt"
	"log/slog"
	"sync"

	"github.com/daisy-mcast/daisy-mcast/pkg/store"
)

// A filler keeps in the store what comes from upstream. It opens the store for
// writing only while something comes, so that gc finds it free at other times, and
// adds blobs and nothing else: which set is served, and its tags, stay as they are.
// Safe for concurrent use.
type filler struct {
	dir string
	log *slog.Logger

	mu     sync.Mutex
	coming map[store.Digest]bool
	done   count // bytes
}

func newFiller(dir string, log *slog.Logger) *filler {
	return &filler{dir: dir, log: log, coming: make(map[store.Digest]bool)}
}

// check says why the store cannot be filled.
func (fl *filler) check() error {
	st, err := store.Create(store.Config{Dir: fl.dir})
	if err == nil {
		err = st.Close()
	}
	if err != nil {
		return fmt.Errorf("filling the store %s: %w", fl.dir, err)
	}
	return nil
}

// claim reports whether d is to be saved by the caller: nobody else saves it now.
func (fl *filler) claim(d store.Digest) bool {
	fl.mu.Lock()
	defer fl.mu.Unlock()
	if fl.coming[d] {
		return false
	}
	fl.coming[d] = true
	return true
}

func (fl *filler) unclaim(d store.Digest) {
	fl.mu.Lock()
	defer fl.mu.Unlock()
	delete(fl.coming, d)
}

// save brings b into the store. Whoever asked for it gets it without the store as
// well, so a fault is only logged, and the next asker's fetch tries again.
func (fl *filler) save(from *asker, b store.Blob) {
	defer from.Close()
	if err := fl.write(from, b); err != nil {
		fl.log.Warn("not kept in the store", "digest", string(b.Digest), "err", err)
		return
	}
	fl.done.add(b.Size)
}

func (fl *filler) write(from *asker, b store.Blob) error {
	st, err := store.Create(store.Config{Dir: fl.dir})
	if err != nil {
		return err
	}
	defer st.Close()
	w, err := st.NewBlob(b)
	if err != nil {
		return err
	}
	if err := relay(w, from, b); err != nil {
		return errors.Join(err, w.Abort())
	}
	if err := w.Commit(); err != nil {
		return err
	}
	_ = st.SaveVerified() // without it the next run hashes this blob
	return nil
}
