package store

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"
)

const (
	killDirEnv     = "STORE_TEST_KILL_DIR"
	killVersionEnv = "STORE_TEST_KILL_VERSION"
	// killsEnv is how often TestFault8KilledAnyTime kills; by default as often as
	// fits beside the other tests.
	killsEnv     = "STORE_TEST_KILLS"
	defaultKills = 8
)

// largeSet is a set of thirty images with a layer of their own each, half of which
// changes from version to version, and one that all share.
func largeSet(t testing.TB, version int) (*Set, content) {
	t.Helper()
	c := make(content)
	var images []Image
	for i := range 30 {
		of := version
		if i%2 == 0 {
			of = 0
		}
		layer := bytes.Repeat(fmt.Appendf(nil, "image %d of version %d\n", i, of), 4000)
		images = append(images, Image{fmt.Sprintf("kolla/image-%d", i), "6.0.0", c.image(MediaTypeDockerManifest, "base", string(layer)).Digest})
	}
	var blobs []Blob
	for d, data := range c {
		blobs = append(blobs, Blob{d, int64(len(data))})
	}
	set, err := NewSet(images, blobs, []string{"amd64"}, Release{Tag: "6.0.0"}, time.Unix(int64(version), 0))
	if err != nil {
		t.Fatal(err)
	}
	return set, c
}

// TestChildOfTheKiller is the process that TestFault8KilledAnyTime kills: one run
// that brings a store to a version, taking up what an earlier one left.
func TestChildOfTheKiller(t *testing.T) {
	dir := os.Getenv(killDirEnv)
	if dir == "" {
		return // a test by name only
	}
	version, err := strconv.Atoi(os.Getenv(killVersionEnv))
	if err != nil {
		t.Fatal(err)
	}
	s, err := Create(Config{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	set, c := largeSet(t, version)
	if err := s.PutSet(set); err != nil {
		t.Fatal(err)
	}
	for _, i := range s.Missing(set) {
		putBlob(t, s, c[set.Blobs[i].Digest])
	}
	if err := s.Activate(set.ID); err != nil {
		t.Fatal(err)
	}
}

func child(t *testing.T, dir string, version int) *exec.Cmd {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^TestChildOfTheKiller$")
	cmd.Env = append(os.Environ(), killDirEnv+"="+dir, killVersionEnv+"="+strconv.Itoa(version))
	return cmd
}

// FAULTS 8, 9, 73: a real SIGKILL at a random instant of a run. The store opens
// and serves all of the old set or all of the new one, through its list and through
// registry:2's links; no file that has a blob's name is anything else; and the next
// run takes up every blob that was whole, and ends well.
func TestFault8KilledAnyTime(t *testing.T) {
	kills, _ := strconv.Atoi(os.Getenv(killsEnv))
	if kills == 0 {
		kills = defaultKills
	}
	dir := filepath.Join(t.TempDir(), "store")
	var whole time.Duration // of a run
	for version := range 3 {
		begun := time.Now()
		if out, err := child(t, dir, version).CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		whole = time.Since(begun)
	}
	before := 2
	hit := 0
	for i := range kills {
		next := before + 1
		cmd := child(t, dir, next)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Duration(rand.Int64N(int64(whole))))
		_ = cmd.Process.Kill()
		if err := cmd.Wait(); err != nil {
			hit++
			if status := cmd.ProcessState.Sys().(syscall.WaitStatus); !status.Signaled() {
				t.Fatalf("kill %d: the child ended by itself: %v", i, err)
			}
		}
		kept := afterKill(t, dir, before, next)
		if out, err := child(t, dir, next).CombinedOutput(); err != nil {
			t.Fatalf("kill %d: the next run: %v\n%s", i, err, out)
		}
		afterRun(t, dir, next, kept)
		if before = next; t.Failed() {
			t.Fatalf("at kill %d of %d", i+1, kills)
		}
	}
	t.Logf("%d of %d runs of %v were killed before their end", hit, kills, whole.Round(time.Millisecond))
	if hit == 0 {
		t.Error("none was: the test has lost its point")
	}
}

// afterKill checks the store that a killed run left, and returns the files of the
// next set's blobs that are whole.
func afterKill(t *testing.T, dir string, before, next int) map[Digest]fileID {
	t.Helper()
	s, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	old, _ := largeSet(t, before)
	set, _ := largeSet(t, next)
	current, mode, err := s.Current()
	if err != nil || mode != ModeWhole || current.ID != old.ID && current.ID != set.ID {
		t.Fatalf("serves %v (%v), %v", current, mode, err)
	}
	if err := s.VerifyBlobs(t.Context(), current.Blobs, 2); err != nil {
		t.Errorf("the served set: %v", err)
	}
	checkServable(t, s, current)
	kept := make(map[Digest]fileID)
	for _, b := range set.Blobs {
		id, err := s.identify(b.Digest)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err := errors.Join(err, s.verifyBlob(t.Context(), b, nil)); err != nil {
			t.Errorf("a blob has its name and is not whole: %v", err)
		}
		kept[b.Digest] = id
	}
	return kept
}

// afterRun checks that the next run has made its set the served one, without
// writing again what was whole, and has left nothing in the staging directory.
func afterRun(t *testing.T, dir string, next int, kept map[Digest]fileID) {
	t.Helper()
	s, err := Create(Config{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	set, _ := largeSet(t, next)
	if current, mode, err := s.Current(); err != nil || mode != ModeWhole || current.ID != set.ID {
		t.Fatalf("serves %v (%v), %v", current, mode, err)
	}
	checkServable(t, s, set)
	for d, was := range kept {
		if now, err := s.identify(d); err != nil || now != was {
			t.Errorf("blob %s was whole and was written again: %v", d, err)
		}
	}
	if left := staged(t, s); len(left) > 0 {
		t.Errorf("left in staging: %q", left)
	}
	if c, err := s.CheckBlobs(t.Context(), set.Blobs, 2, nil); err != nil || len(c.Bad) > 0 {
		t.Errorf("bad: %v, %v", c.Bad, err)
	}
}
