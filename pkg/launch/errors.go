package launch

import (
	"errors"
	"fmt"
	"net/netip"
)

var (
	// ErrSpec says that the Spec cannot be meant so; nothing was touched.
	ErrSpec = errors.New("launch: not a usable specification")
	// ErrNoListener says that nobody listens on the address.
	ErrNoListener = errors.New("launch: nobody listens")
	// ErrForeign says that a container, unit or file has our name and is not ours.
	ErrForeign = errors.New("launch: not ours")
	// ErrNotReady says that what was started did not become a registry in time.
	ErrNotReady = errors.New("launch: the registry did not become ready")
	// ErrNoSystemd says that the mode needs systemd, which does not run this machine.
	ErrNoSystemd = errors.New("launch: systemd is not running here")
)

// errEnded says that what was started has ended by itself.
var errEnded = errors.New("launch: it ended")

// errGone says that an instance was removed meanwhile.
var errGone = errors.New("launch: it was removed")

// A PortError names the program that has an address the registry needs (fault
// 71).
type PortError struct {
	Addr    netip.AddrPort // the address that is needed
	PID     int            // whose it is; 0 when that cannot be seen
	Command string         // as in /proc/PID/comm; never its arguments, which may hold secrets
}

func (e *PortError) Error() string {
	if e.PID == 0 {
		return fmt.Sprintf("%s is in use by another program (run as root to see which)", e.Addr)
	}
	return fmt.Sprintf("%s is in use by another program, %s with pid %d", e.Addr, e.Command, e.PID)
}

// An ExposedError says that the registry listens where it was not told to
// (R8, fault 72).
type ExposedError struct {
	Local netip.AddrPort
}

func (e *ExposedError) Error() string {
	return fmt.Sprintf("the registry also listens on %s", e.Local)
}
