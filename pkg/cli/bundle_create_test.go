package cli

import (
	"errors"
	"fmt"
	"path/filepath"
	"testing"

	"github.com/daisy-mcast/daisy-mcast/pkg/imageset"
)

// TestR16RoomForABundle: a plain bundle that has no room is refused before it is begun,
// and so is a source that the store has none for: with what to do about it.
func TestR16RoomForABundle(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for name, want := range map[string]bool{"b.tar": true, "b.tgz": false} {
		err := roomFor(filepath.Join(dir, name), 1<<60)
		if errors.Is(err, imageset.ErrNoSpace) != want {
			t.Errorf("%s: %v", name, err)
		}
		if err := roomFor(filepath.Join(dir, name), 1); err != nil {
			t.Errorf("%s of one byte: %v", name, err)
		}
	}
	for _, err := range []error{
		roomFor(filepath.Join(dir, "b.tar"), 1<<60), badSource(fmt.Errorf("importing: %w", imageset.ErrNoSpace)),
	} {
		var exit *ExitError
		if !errors.As(err, &exit) || exit.Code != ExitUsage || exit.Hint == "" {
			t.Errorf("%v: without the exit code and the hint", err)
		}
	}
}
