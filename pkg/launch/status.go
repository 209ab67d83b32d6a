package launch

import "net/netip"

// A Status is what there is of a registry.
type Status struct {
	Mode        Mode   `json:"mode"` // None when there is nothing
	Running     bool   `json:"running"`
	PID         int    `json:"pid,omitempty"`
	ContainerID string `json:"containerID,omitempty"`
	Engine      string `json:"engine,omitempty"` // docker or podman
	// Version is that of the program: twelve digits of its file's SHA-256.
	Version  string `json:"version,omitempty"`
	Identity string `json:"identity,omitempty"` // as the registry itself answers
	// Listening are the addresses that its process listens on.
	Listening []netip.AddrPort `json:"listening,omitempty"`
	// SurvivesReboot reports whether it comes back by itself after a reboot, as
	// far as that can be seen; Note says what it depends on.
	SurvivesReboot bool   `json:"survivesReboot"`
	Note           string `json:"note,omitempty"`
	// Kept reports whether Start found it running and left it alone.
	Kept bool `json:"kept,omitempty"`
	// Replaced reports whether Start put it in the place of another one that ran.
	Replaced bool `json:"replaced,omitempty"`
}
