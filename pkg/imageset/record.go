package imageset

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"syscall"

	"github.com/daisy-mcast/daisy-mcast/pkg/store"
)

// A record says which file was imported, as the filesystem saw it, and which set
// came of it. It lies at <store>/daisy-mcast/imports/<hash of the path>.json. A
// record that is lost or wrong costs reading the bundle again, nothing else.
type record struct {
	Path  string `json:"path"`
	Size  int64  `json:"size"`
	Mtime int64  `json:"mtime_ns"`
	Ctime int64  `json:"ctime_ns"`
	Inode uint64 `json:"inode"`
	Dev   uint64 `json:"device"`
	// Choice says which part of it was taken; "" for all.
	Choice string `json:"choice,omitempty"`
	// Sum is the SHA-512 that the file was compared with; "" for none.
	Sum string `json:"sha512,omitempty"`
	Set string `json:"set"`
}

const maxRecord = 16 << 10

func newRecord(path string, info os.FileInfo) (record, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return record{}, err
	}
	st := info.Sys().(*syscall.Stat_t)
	return record{Path: abs, Size: info.Size(), Mtime: st.Mtim.Nano(), Ctime: st.Ctim.Nano(),
		Inode: st.Ino, Dev: uint64(st.Dev)}, nil
}

func (r record) file(st *store.Store) string {
	sum := sha256.Sum256([]byte(r.Path))
	return filepath.Join(st.OwnDir(), "imports", hex.EncodeToString(sum[:16])+".json")
}

// known returns the set that the same, unchanged file made, when the store
// still has all of it, undamaged, and the file was compared with this sum; else nil.
func (r record) known(ctx context.Context, st *store.Store, progress func(done, total int64)) *store.Set {
	f, err := os.Open(r.file(st))
	if err != nil {
		return nil
	}
	defer f.Close()
	raw, err := io.ReadAll(io.LimitReader(f, maxRecord))
	if err != nil {
		return nil
	}
	var old record
	if json.Unmarshal(raw, &old) != nil {
		return nil
	}
	r.Set = old.Set
	if old != r {
		return nil
	}
	set, err := st.LoadSet(old.Set)
	if err != nil {
		return nil
	}
	if check, err := st.CheckBlobs(ctx, set.Blobs, runtime.GOMAXPROCS(0), progress); err != nil || len(check.Bad) > 0 {
		return nil
	}
	return set
}

// keep writes the record. It is not synced: see record.
func (r record) keep(st *store.Store, set *store.Set) error {
	r.Set = set.ID
	raw, err := json.Marshal(r)
	if err != nil {
		return err
	}
	name := r.file(st)
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return fmt.Errorf("recording the import: %w", err)
	}
	tmp := name + ".new"
	if err := os.WriteFile(tmp, raw, 0o644); err != nil {
		return fmt.Errorf("recording the import: %w", err)
	}
	if err := os.Rename(tmp, name); err != nil {
		return fmt.Errorf("recording the import: %w", err)
	}
	return nil
}
