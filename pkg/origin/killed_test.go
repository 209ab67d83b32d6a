package origin

import (
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/daisy-mcast/daisy-mcast/pkg/store"
)

// killedStore and killedURL tell the test's second process what to import.
const (
	killedStore = "DAISY_MCAST_TEST_KILLED_STORE"
	killedURL   = "DAISY_MCAST_TEST_KILLED_URL"
)

// An import that is killed by SIGKILL is continued: no blob that was whole is asked
// for again, and nothing was served meanwhile. The test runs itself again to have
// somebody to kill.
func TestKilledImportContinues(t *testing.T) {
	if dir := os.Getenv(killedStore); dir != "" {
		st, err := store.Create(store.Config{Dir: dir})
		if err != nil {
			t.Fatal(err)
		}
		_, err = importFrom(t, st, Config{URL: os.Getenv(killedURL)})
		t.Fatalf("not killed: %v", err)
	}
	s := serve(t, false)
	const images = 8
	for i := range images {
		s.push(t, fmt.Sprintf("kolla/x%d:1", i), image(t, int64(i)))
	}
	const before = 16
	stalled, release := make(chan struct{}), make(chan struct{})
	n := 0
	s.spoilWith(func(_ http.ResponseWriter, req *http.Request, _ http.Handler) bool {
		if !strings.Contains(req.URL.Path, "/blobs/") {
			return false
		}
		s.mu.Lock()
		n++
		k := n
		s.mu.Unlock()
		if k == before+1 {
			close(stalled)
		}
		if k > before {
			<-release
		}
		return false
	})
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir, url := t.TempDir(), "registry://"+s.host
	child := exec.Command(self, "-test.run=^TestKilledImportContinues$")
	child.Env = append(os.Environ(), killedStore+"="+dir, killedURL+"="+url)
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	select {
	case <-stalled:
	case <-time.After(time.Minute): // the child's start, on a machine that is busy
		t.Error("the import never came so far")
	}
	waitForBlobs(t, dir)
	if err := child.Process.Kill(); err != nil {
		t.Error(err)
	}
	_ = child.Wait() // killed
	close(release)
	st, err := store.Create(store.Config{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	if sets, err := st.Sets(); err != nil || len(sets) > 0 {
		t.Errorf("sets of a killed import: %v, %v", sets, err)
	}
	s.spoilWith(nil)
	set, err := importFrom(t, st, Config{URL: url})
	if err != nil {
		t.Fatal(err)
	}
	all := len(set.Blobs) - images // that are no manifests
	if got := s.blobs(); got == 0 || got > all-blobsBefore {
		t.Errorf("%d of %d blobs were asked for again", got, all)
	}
	if err := st.VerifyBlobs(t.Context(), set.Blobs, 2); err != nil {
		t.Error(err)
	}
}

// blobsBefore is how many blobs, manifests aside, are there when the import is
// killed: fewer than were answered, for some are still being put on disk.
const blobsBefore = 8

// waitForBlobs waits until some blobs are in a store.
func waitForBlobs(t *testing.T, dir string) {
	t.Helper()
	st, err := store.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		n := 0
		_ = countBlobs(st, &n)
		if n >= blobsBefore+8 { // and the manifests
			return
		}
	}
	t.Error("the import put no blobs on disk")
}

func countBlobs(st *store.Store, n *int) error {
	entries, err := os.ReadDir(st.Dir() + "/" + store.RegistryRoot + "/blobs/sha256")
	for _, e := range entries {
		below, _ := os.ReadDir(st.Dir() + "/" + store.RegistryRoot + "/blobs/sha256/" + e.Name())
		*n += len(below)
	}
	return err
}
