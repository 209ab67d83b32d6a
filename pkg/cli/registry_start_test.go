package cli

import (
	"context"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/daisy-mcast/daisy-mcast/pkg/launch"
	"github.com/daisy-mcast/daisy-mcast/test/port"
)

// TestRegistryScripts runs testdata/registry/*.txtar: what needs an address of
// its own on this machine. $PORT is free on 127.0.0.1; a registry in the base
// directory "base" ends with its script.
func TestRegistryScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/registry",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"sample-store": makeSampleStore,
			"exits":        wantExit,
		},
		Setup: func(env *testscript.Env) error {
			env.Setenv("PORT", strconv.Itoa(int(port.Free(t))))
			env.Defer(func() {
				spec := launch.Spec{Mode: launch.Process, BaseDir: filepath.Join(env.WorkDir, "base")}
				if err := launch.Stop(context.Background(), spec, true); err != nil {
					t.Error(err)
				}
			})
			return nil
		},
	})
}
