package cli

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/daisy-mcast/daisy-mcast/pkg/deploy"
	"github.com/daisy-mcast/daisy-mcast/pkg/kolla"
	"github.com/daisy-mcast/daisy-mcast/pkg/progress"
)

// The exit code says what the table says, and why a run ended early.
func TestR7ExitCodes(t *testing.T) {
	counts := func(local, central, failed int) *deploy.Report {
		return &deploy.Report{Counts: map[string]int{
			string(progress.Local): local, string(progress.Central): central, string(progress.Failed): failed,
		}, Hosts: make([]deploy.HostReport, local+central+failed)}
	}
	for name, c := range map[string]struct {
		rep  *deploy.Report
		err  error
		want int
		says string
	}{
		"all local":            {counts(3, 0, 0), nil, ExitOK, ""},
		"some central":         {counts(2, 1, 0), nil, ExitCentral, ""},
		"some failed":          {counts(1, 1, 1), nil, ExitFailed, ""},
		"bad input":            {counts(0, 0, 3), fmt.Errorf("%w: x", deploy.ErrInput), ExitUsage, "x"},
		"no way":               {counts(0, 0, 3), fmt.Errorf("%w: x", deploy.ErrNoWay), ExitUsage, "x"},
		"the sender died":      {counts(0, 0, 3), errors.New("lost"), ExitInternal, "lost"},
		"interrupted":          {counts(0, 0, 3), deploy.ErrInterrupted, ExitInterrupted, "keep what they served"},
		"interrupted too late": {counts(1, 1, 1), deploy.ErrInterrupted, ExitInterrupted, "2 of 3 had proved it"},
	} {
		var said strings.Builder
		err := distributeExit(c.rep, c.err)
		if got := report(&said, err, false); got != c.want || !strings.Contains(said.String(), c.says) {
			t.Errorf("%s: got %d, %q, want %d, %q", name, got, said.String(), c.want, c.says)
		}
	}
}

// Kolla's globals.yml is the one beside globals.d, if there is one; a named one is
// taken at its word (R13).
func TestR13WhichGlobals(t *testing.T) {
	dir := t.TempDir()
	globals := filepath.Join(dir, "globals.d")
	if err := os.Mkdir(globals, 0o755); err != nil {
		t.Fatal(err)
	}
	beside := filepath.Join(dir, "globals.yml")
	which := func(named string) string {
		t.Helper()
		var cfg deploy.Config
		f := kollaFlags{fallback: string(kolla.Uniform), globalsDir: globals, globalsFile: named}
		if err := f.apply(&cfg, deployment{}); err != nil {
			t.Fatal(err)
		}
		return cfg.GlobalsFile
	}
	if got := which(""); got != "" {
		t.Errorf("there is none, got %q", got)
	}
	if got := which("other.yml"); got != "other.yml" {
		t.Errorf("named: got %q", got)
	}
	if err := os.WriteFile(beside, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if got := which(""); got != beside {
		t.Errorf("beside: got %q", got)
	}
}

// TestDistributeReportIntoAPipe: as root a rename would replace it, /dev/null too.
func TestDistributeReportIntoAPipe(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pipe")
	if err := unix.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	read := make(chan []byte, 1)
	go func() {
		raw, _ := os.ReadFile(path)
		read <- raw
	}()
	var out, said bytes.Buffer
	std := &streams{Out: &out, Err: &said}
	if err := writeReport(std, distributeOptions{output: outputJSON, report: path}, &deploy.Report{}); err != nil {
		t.Fatal(err)
	}
	if got := <-read; !json.Valid(got) {
		t.Errorf("got %q", got)
	}
	if info, err := os.Stat(path); err != nil || info.Mode()&os.ModeNamedPipe == 0 {
		t.Errorf("it was replaced: %v, %v", info, err)
	}
}
