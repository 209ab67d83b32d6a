package cli

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// noCoreFiles keeps passwords that pass through this process, and through those
// that it starts, out of core files (fault 77).
func noCoreFiles() error {
	if err := unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{}); err != nil {
		return fmt.Errorf("switching core files off: %w", err)
	}
	return nil
}
