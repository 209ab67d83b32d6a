package cli

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// No core file can hold a password: neither of this process nor of one that it
// starts.
func TestFault77NoCoreFiles(t *testing.T) {
	if os.Getenv("TEST_CORE_LIMIT") == "" { // the limit cannot be raised again: in a process of its own
		cmd := exec.Command(os.Args[0], "-test.run", "^"+t.Name()+"$", "-test.v")
		cmd.Env = append(os.Environ(), "TEST_CORE_LIMIT=1")
		if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), "limit: 0") {
			t.Errorf("%v: %s", err, out)
		}
		return
	}
	if err := noCoreFiles(); err != nil {
		t.Fatal(err)
	}
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_CORE, &limit); err != nil || limit.Cur != 0 || limit.Max != 0 {
		t.Errorf("got %+v, %v", limit, err)
	}
	out, err := exec.Command("sh", "-c", "ulimit -c").Output()
	t.Logf("limit: %s, %v", strings.TrimSpace(string(out)), err)
}
