package enginetest_test

import (
	"os"
	"testing"

	"github.com/daisy-mcast/daisy-mcast/pkg/engine"
	"github.com/daisy-mcast/daisy-mcast/pkg/engine/enginetest"
)

// TestFakesConform: what the fakes pass, the engines pass too; see
// TestEngineConforms.
func TestFakesConform(t *testing.T) {
	for _, kind := range []engine.Kind{engine.Docker, engine.Podman} {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			fake := enginetest.NewFake(t, enginetest.FakeConfig{Kind: kind})
			conform(t, engine.Config{Kind: kind, Socket: fake.Socket})
			if left := append(fake.Containers(), fake.Images()...); len(left) > 0 {
				t.Errorf("the suite leaves %q", left)
			}
		})
	}
}

// kindEnv has TestEngineConforms use this machine's own engine.
const kindEnv = "DAISY_MCAST_TEST_ENGINE"

// TestEngineConforms runs the suite with a real engine: test/e2e has it run on
// hosts of a lab, with kindEnv set to docker or podman.
func TestEngineConforms(t *testing.T) {
	kind := engine.Kind(os.Getenv(kindEnv))
	if kind == "" {
		t.Skip("$" + kindEnv + " names no engine")
	}
	conform(t, engine.Config{Kind: kind})
}

func conform(t *testing.T, cfg engine.Config) {
	t.Helper()
	e, err := engine.Dial(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	enginetest.Run(t, e)
}
