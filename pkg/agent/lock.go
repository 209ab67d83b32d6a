package agent

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/daisy-mcast/daisy-mcast/pkg/agent/message"
)

// maxLock bounds what is read of a lock file, in bytes.
const maxLock = 256

// lockSender lets one run at a time send from this base directory; by is who
// does, for those who come meanwhile (fault 50). The lock is the open file, so it
// ends with this process however that ends; the file stays.
func (a *agent) lockSender(by string) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.lock != nil {
		return nil
	}
	path := filepath.Join(a.setup.BaseDir, "run.lock")
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|unix.O_NOFOLLOW, 0o644)
	if err != nil {
		return problem(message.ReasonStore, fmt.Errorf("locking the sender: %w", err))
	}
	err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		defer f.Close()
		return problem(message.ReasonBusy, fmt.Errorf("another run sends from %s: %s", a.setup.BaseDir, lockedBy(f)))
	}
	if err == nil {
		err = writeLock(f, by)
	}
	if err != nil {
		return problem(message.ReasonStore, errors.Join(fmt.Errorf("locking the sender: %w", err), f.Close()))
	}
	a.lock = f
	return nil
}

func writeLock(f *os.File, by string) error {
	if by == "" {
		by = fmt.Sprintf("pid %d", os.Getpid())
	}
	if err := f.Truncate(0); err != nil {
		return err
	}
	_, err := f.WriteAt([]byte(by[:min(len(by), maxLock)]), 0)
	return err
}

// lockedBy is what the one who has the lock wrote.
func lockedBy(f io.Reader) string {
	b, err := io.ReadAll(io.LimitReader(f, maxLock))
	if text := strings.TrimSpace(string(b)); err == nil && text != "" {
		return text
	}
	return "it does not say which"
}
