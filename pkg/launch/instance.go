package launch

import (
	"context"
	"time"
)

// takeoverTime is how long a new instance waits for the addresses of the old one,
// which goes on until the new one waits. A starter that is killed before it stops the
// old one leaves it waiting: an engine and systemd start it again when it gives up; a
// process is gone then.
const takeoverTime = 2 * time.Minute

// An instance is one registry of ours that exists, running or not.
//
//	made --start--> running --stop--> stopped --start--> running
//	  any --remove--> gone
type instance interface {
	look(ctx context.Context) (sight, error)
	// start makes it run: it waits for the addresses that its predecessor has. For one
	// that was replaced and comes back it restores what start of the successor has
	// overwritten.
	start(ctx context.Context) error
	stop(ctx context.Context) error
	// settle gives a proven instance its place for good.
	settle(ctx context.Context) error
	// remove takes away the stopped instance, but nothing that meanwhile belongs to
	// another one.
	remove(ctx context.Context) error
}

// A keeper is one mode's way to keep a registry running.
type keeper interface {
	// find returns what exists under the spec's name; the settled one first.
	find(ctx context.Context) ([]instance, error)
	// prepare makes an instance that is not started, beside those of find, which
	// go on undisturbed.
	prepare(ctx context.Context) (instance, error)
	// fingerprint is that of the instance which prepare would make.
	fingerprint() (string, error)
}

// A sight is what an instance was seen to be.
type sight struct {
	mode        Mode
	running     bool
	restarting  bool   // it ends, and is started again
	pid         int    // of the process that must own the sockets
	fault       string // why it does not and will not run; empty while it may
	fingerprint string
	version     string
	containerID string
	engine      string
	reboot      bool
	note        string
}

func (s sight) status() Status {
	if s.fault != "" && !s.running {
		s.note = s.fault
	}
	return Status{
		Mode: s.mode, Running: s.running, PID: s.pid, ContainerID: s.containerID,
		Engine: s.engine, Version: s.version, SurvivesReboot: s.reboot, Note: s.note,
	}
}
