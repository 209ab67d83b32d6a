package transfer

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// ErrFiles is returned when this process may not open as many files as a session
// of its size needs.
var ErrFiles = errors.New("transfer: too few open files are allowed")

// otherFiles is what a sender needs beside a connection for each receiver: its
// sockets, the source, the runtime's, and strangers at the door.
const otherFiles = 64

// CheckFiles refuses a session that would run out of file descriptors in its middle
// (fault 17). It is asked before the token is given out.
func CheckFiles(receivers int) error {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return fmt.Errorf("reading the limit of open files: %w", err)
	}
	if need := uint64(receivers) + otherFiles; limit.Cur < need {
		return fmt.Errorf("%w: %d receivers need %d open files, the limit is %d (ulimit -n)",
			ErrFiles, receivers, need, limit.Cur)
	}
	return nil
}
