package enginetest_test

import (
	"testing"

	"github.com/daisy-mcast/daisy-mcast/pkg/engine"
	"github.com/daisy-mcast/daisy-mcast/pkg/engine/enginetest"
)

// TestFakesConform: what the fakes pass, the engines pass too; test/e2e runs the
// same suite with a real dockerd and a real Podman.
func TestFakesConform(t *testing.T) {
	for _, kind := range []engine.Kind{engine.Docker, engine.Podman} {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			fake := enginetest.NewFake(t, enginetest.FakeConfig{Kind: kind})
			e, err := engine.Dial(t.Context(), engine.Config{Kind: kind, Socket: fake.Socket})
			if err != nil {
				t.Fatal(err)
			}
			defer e.Close()
			enginetest.Run(t, e)
			if left := append(fake.Containers(), fake.Images()...); len(left) > 0 {
				t.Errorf("the suite leaves %q", left)
			}
		})
	}
}
