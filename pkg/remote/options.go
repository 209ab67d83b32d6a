package remote

import (
	"io"
	"time"
)

// Become says how to get root's rights on a host.
type Become int

// The ways to become root. A user who is root already needs none and gets none.
const (
	BecomeNone Become = iota
	BecomeSudo
)

// A Program is our own binary for one architecture.
type Program struct {
	Reader io.ReaderAt
	Size   int64  // bytes
	SHA256 string // 64 lower-case hexadecimal digits
}

// Options is what Bootstrap needs to know. It is not changed.
type Options struct {
	// Program returns the binary for a GOARCH (amd64, arm64). Its error makes
	// the host fail with ReasonArch. Hosts share the Program: Reader is used
	// from several goroutines.
	Program func(arch string) (Program, error)

	// BaseDir is our directory on the host; the program goes to BaseDir/bin.
	// Default /var/lib/daisy-mcast. Absolute, of letters, digits and "._+-/".
	BaseDir string

	Become         Become
	BecomePassword Secret // for sudo; sent only when sudo asks

	// Args follow "agent" on the program's command line. They are visible to
	// every user of the host. No quotes, backslashes, "!" or control characters.
	Args []string

	// Patience is the longest time that a host may be silent before the agent
	// runs. Default 30 s: 15 s to connect, and as long for a slow login.
	Patience time.Duration
}

// Facts is what Bootstrap learnt about a host.
type Facts struct {
	OS       string // uname -s in lower case: "linux"
	Arch     string // GOARCH: "amd64", "arm64"
	UID      int    // of the agent
	Program  string // the path of the program there
	Uploaded bool   // reports whether the program had to be copied
}
