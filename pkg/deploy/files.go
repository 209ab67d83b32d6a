package deploy

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// What a run has open at one time, to refuse it before it fails half-way (fault
// 17).
const (
	// filesPerHost: three pipes of its ssh, the process's own descriptor, and
	// the socket of the password helper.
	filesPerHost = 5
	// filesToConnect: the other ends of the pipes, while a session is opened.
	filesToConnect = 3
	// filesBase: standard streams, files of the operator's, the poller, the
	// program to copy, the sender's session.
	filesBase = 32
)

// openFiles is how many files this process may have open, 0 when that cannot
// be asked for. The Go runtime has raised the limit to the hard one.
func openFiles() uint64 {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return 0
	}
	return limit.Cur
}

// checkFiles refuses a run that needs more open files than limit; 0 is no
// limit.
func checkFiles(limit uint64, hosts int) error {
	need := uint64(filesBase + filesPerHost*hosts + filesToConnect*min(hosts, ConnectAtOnce))
	if limit == 0 || limit >= need {
		return nil
	}
	return fmt.Errorf("%w: %d hosts need %d open files, the limit is %d: raise it with 'ulimit -n %d'",
		ErrInput, hosts, need, limit, need)
}
