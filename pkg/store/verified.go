package store

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/daisy-mcast/daisy-mcast/pkg/atomicfile"
)

// The record of what was last verified is <store>/daisy-mcast/verified, mode
// 0600: a line of format and version, then one line per blob,
//
//	<sha256 in hex> <size> <mtime ns> <ctime ns> <inode>
//
// A line says that the file, when it was that inode with these times, held the
// bytes that the digest names: they were hashed and on the disk before the line
// was. Who changes the file afterwards changes its ctime, which no system call
// sets back - mtime can be - so a blob that still fits its line is not read again.
// A disk that rots in silence changes no time: `registry verify` reads all, and
// what it finds wrong loses its line. A record that is lost, torn or of another
// version costs hashing again, nothing else. Root can forge it, and can do
// anything else as well.
const (
	recordHeader = "daisy-mcast verified 1"
	// maxRecordFile bounds the record in bytes; a line has 150 at most.
	maxRecordFile = 64 << 20
	// ctimeGrain is more than a filesystem's clock tick (10 ms at most): what was
	// changed less than this before it was hashed may be changed again without its
	// ctime showing it.
	ctimeGrain = 100 * time.Millisecond
)

// A fileID tells one state of a file from every other.
type fileID struct {
	size, mtime, ctime int64 // bytes, ns, ns
	inode              uint64
}

func newFileID(info os.FileInfo) fileID {
	st := info.Sys().(*syscall.Stat_t)
	return fileID{size: info.Size(), mtime: st.Mtim.Nano(), ctime: st.Ctim.Nano(), inode: st.Ino}
}

// settled reports whether the file was last changed long enough before now for
// a later change to show in its ctime.
func (id fileID) settled(now time.Time) bool {
	return now.Sub(time.Unix(0, id.ctime)) > ctimeGrain
}

// verified is what this Store has found out since the record was last written.
// Safe for concurrent use.
type verified struct {
	mu   sync.Mutex
	good map[Digest]fileID
	bad  map[Digest]bool // good and bad have no digest in common
}

func (v *verified) note(d Digest, id fileID) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.good == nil {
		v.good = make(map[Digest]fileID)
	}
	v.good[d] = id
	delete(v.bad, d)
}

func (v *verified) forget(d Digest) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.bad == nil {
		v.bad = make(map[Digest]bool)
	}
	v.bad[d] = true
	delete(v.good, d)
}

// knows reports whether d was verified as the file id since the record was last
// written, and whether anything was found out about d since.
func (v *verified) knows(d Digest, id fileID) (isGood, isNews bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	was, ok := v.good[d]
	return ok && was == id, ok || v.bad[d]
}

// apply changes record to what is known now.
func (v *verified) apply(record map[Digest]fileID) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for d := range v.bad {
		delete(record, d)
	}
	for d, id := range v.good {
		record[d] = id
	}
}

func (v *verified) isEmpty() bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	return len(v.good)+len(v.bad) == 0
}

func (v *verified) clear() {
	v.mu.Lock()
	defer v.mu.Unlock()
	clear(v.good)
	clear(v.bad)
}

// A Check is what CheckBlobs found.
type Check struct {
	Bad         []BadBlob // without Images; missing ones too
	Hashed      int       // blobs that were read, because they changed or were never verified
	HashedBytes int64
}

// CheckBlobs finds the blobs that are not in the store as they should be. It
// reads only those whose file is not the one that was last verified, with so many
// workers, and keeps in the record what it found, also when ctx ends it. progress, which
// may be nil, is told of the bytes that were read and are to be. VerifyBlobs reads all.
func (s *Store) CheckBlobs(ctx context.Context, blobs []Blob, workers int, progress func(done, total int64)) (Check, error) {
	p := s.Prover()
	var (
		c    Check
		read []Blob
	)
	for _, b := range blobs {
		switch isKnown, err := p.knows(b); {
		case err != nil:
			c.Bad = append(c.Bad, BadBlob{Blob: b, Err: err})
		case !isKnown:
			read = append(read, b)
			c.HashedBytes += b.Size
		}
	}
	c.Hashed = len(read)
	bad, err := s.badBlobs(ctx, read, workers, counting(progress, c.HashedBytes))
	c.Bad = append(c.Bad, bad...)
	slices.SortFunc(c.Bad, func(a, b BadBlob) int { return compareBlobs(a.Blob, b.Blob) })
	if s.staging != nil {
		_ = s.SaveVerified() // without it the next check reads more
	}
	return c, err
}

// counting adds up what it is called with, and tells progress, one call at a time. A
// nil progress is told nothing.
func counting(progress func(done, total int64), total int64) func(n int) {
	var mu sync.Mutex
	var done int64
	return func(n int) {
		if progress == nil || n == 0 {
			return
		}
		mu.Lock()
		defer mu.Unlock()
		done += int64(n)
		progress(done, total)
	}
}

// SaveVerified brings what was verified since, well or badly, into the record. It
// works for a store that was opened for reading too, when the directory lets it.
func (s *Store) SaveVerified() error {
	if s.verified.isEmpty() {
		return nil
	}
	unlock, err := s.lockRecord()
	if err != nil {
		return fmt.Errorf("recording what was verified: %w", err)
	}
	defer unlock()
	record := s.readRecord() // another process may have added to it
	s.verified.apply(record)
	var sb strings.Builder
	fmt.Fprintln(&sb, recordHeader)
	for d, id := range record {
		if now, err := s.identify(d); err != nil || now != id {
			continue // removed or changed: it would be hashed again anyway
		}
		fmt.Fprintln(&sb, d.Hex(), id.size, id.mtime, id.ctime, id.inode)
	}
	if err := atomicfile.Write(s.recordPath(), []byte(sb.String()), 0o600); err != nil {
		return fmt.Errorf("recording what was verified: %w", err)
	}
	s.verified.clear()
	return nil
}

// lockRecord keeps other processes from changing the record meanwhile.
func (s *Store) lockRecord() (unlock func(), err error) {
	dir, err := os.Open(filepath.Dir(s.recordPath()))
	if err != nil {
		return nil, err
	}
	for {
		err = unix.Flock(int(dir.Fd()), unix.LOCK_EX)
		if !errors.Is(err, unix.EINTR) {
			break
		}
	}
	if err != nil {
		dir.Close()
		return nil, err
	}
	return func() { dir.Close() }, nil
}

func (s *Store) recordPath() string { return filepath.Join(s.OwnDir(), "verified") }

// readRecord returns the record's lines, none when it cannot be believed.
func (s *Store) readRecord() map[Digest]fileID {
	record := make(map[Digest]fileID)
	f, info, err := openRegular(s.recordPath())
	if err != nil {
		return record
	}
	defer f.Close()
	owner := info.Sys().(*syscall.Stat_t).Uid
	if info.Size() > maxRecordFile || info.Mode().Perm()&0o022 != 0 || owner != 0 && int(owner) != os.Geteuid() {
		return record // anybody may have written it
	}
	lines := bufio.NewScanner(io.LimitReader(f, maxRecordFile))
	if !lines.Scan() || lines.Text() != recordHeader {
		return record
	}
	for lines.Scan() {
		if d, id, err := parseRecordLine(lines.Text()); err == nil {
			record[d] = id
		}
	}
	return record
}

func parseRecordLine(line string) (d Digest, id fileID, err error) {
	var h string
	if _, err := fmt.Sscan(line, &h, &id.size, &id.mtime, &id.ctime, &id.inode); err != nil {
		return "", fileID{}, err
	}
	d, err = ParseDigest(digestPrefix + h)
	return d, id, err
}

// identify returns which file holds d now.
func (s *Store) identify(d Digest) (fileID, error) {
	info, err := os.Lstat(s.blobPath(d))
	if err != nil {
		return fileID{}, err
	}
	if !info.Mode().IsRegular() {
		return fileID{}, os.ErrInvalid
	}
	return newFileID(info), nil
}

// publishBlob gives the staged file name, which written describes as it was when
// its hashed bytes were on disk, the place of d. The rename changes ctime; all
// else must be as it was.
func (s *Store) publishBlob(name string, d Digest, written os.FileInfo) error {
	if err := s.publish(name, s.blobPath(d)); err != nil {
		return err
	}
	was := newFileID(written)
	if now, err := s.identify(d); err == nil && now.inode == was.inode && now.size == was.size && now.mtime == was.mtime {
		s.verified.note(d, now)
	}
	return nil
}

// judge keeps what hashing f, which began when it was before, found about d.
func (s *Store) judge(d Digest, before os.FileInfo, f *os.File, verdict error) {
	if errors.Is(verdict, ErrDigestMismatch) || errors.Is(verdict, ErrSizeMismatch) {
		s.verified.forget(d)
		return
	}
	after, err := f.Stat()
	if verdict != nil || err != nil {
		return
	}
	if id := newFileID(before); id == newFileID(after) && id.settled(time.Now()) {
		s.verified.note(d, id)
	}
}
