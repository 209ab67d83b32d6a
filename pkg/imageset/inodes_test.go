package imageset

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/daisy-mcast/daisy-mcast/pkg/store"
)

// smallDisk names the directory on which the test's second process mounts a
// filesystem of its own.
const smallDisk = "DAISY_MCAST_TEST_SMALL_DISK"

// onSmallDisk runs a test on a tmpfs of its own. The test runs itself again in
// namespaces of its own, where anybody may mount one.
func onSmallDisk(t *testing.T, options string, test func(dir string)) {
	if dir := os.Getenv(smallDisk); dir != "" {
		if err := syscall.Mount("none", dir, "tmpfs", 0, options); err != nil {
			t.Skip("no tmpfs can be mounted here: ", err)
		}
		test(dir)
		return
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), self, "-test.run=^"+t.Name()+"$", "-test.v")
	cmd.Env = append(os.Environ(), smallDisk+"="+t.TempDir())
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Geteuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getegid(), Size: 1}},
	}
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	switch {
	case err != nil && !errors.As(err, &exit):
		t.Skip("no namespaces of one's own here: ", err)
	case err != nil:
		t.Fatalf("%v\n%s", err, out)
	case strings.Contains(string(out), "--- SKIP"):
		t.Skipf("%s", out)
	}
}

// FAULTS 26: inodes run out while blobs come in.
func TestFault26InodesRunOut(t *testing.T) {
	onSmallDisk(t, "size=16m,nr_inodes=60", func(dir string) { runOutOfInodes(t, filepath.Join(dir, "store")) })
}

func runOutOfInodes(t *testing.T, dir string) {
	st, err := store.Create(store.Config{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	var contents []string
	for i := range 60 { // each takes two inodes at least
		contents = append(contents, fmt.Sprint("blob ", i))
	}
	p := packOf(t, contents...)
	s := NewSink(p, st, nil)
	_, err = s.Write([]byte(spaceOf(contents...)))
	if closed := s.Close(); !errors.Is(closed, syscall.ENOSPC) || err != nil && !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("write: %v, close: %v, want ENOSPC", err, closed)
	}
	r := s.Result()
	if !errors.Is(r.Err, syscall.ENOSPC) || len(r.Bad) > 0 || len(r.Committed) == 0 || len(r.Missing) == 0 ||
		len(r.Committed)+len(r.Missing) != len(contents) {
		t.Errorf("result: %d committed, %d bad, %d missing, %v", len(r.Committed), len(r.Bad), len(r.Missing), r.Err)
	}
	var kept []store.Blob
	for _, b := range p.Blobs() {
		if _, err := st.Stat(b.Digest); err == nil {
			kept = append(kept, b)
		}
	}
	if len(kept) != len(r.Committed) {
		t.Errorf("%d blobs are in the store, %d were committed", len(kept), len(r.Committed))
	}
	if err := st.VerifyBlobs(t.Context(), kept, 1); err != nil {
		t.Error(err)
	}
	checkNothingStaged(t, st)
}
