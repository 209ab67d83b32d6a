package remote

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"
	"time"
	"unicode"
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
	// Packed, when not nil, returns it as gzip packs it, and that size in bytes. It is
	// called when a host lacks the program, by several goroutines.
	Packed func() (io.ReaderAt, int64, error)
}

// Options is what Bootstrap needs to know. It is not changed.
type Options struct {
	// Program returns the binary for a GOARCH (amd64, arm64). Its error makes
	// the host fail with ReasonArch. Hosts share the Program: Reader is used
	// from several goroutines.
	Program func(arch string) (Program, error)

	// BaseDir is our directory on the host; the program goes to BaseDir/bin.
	// Default /var/lib/daisy-mcast. Absolute, of letters, digits and "._+-/,=@".
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

// The defaults of Options.
const (
	DefaultBaseDir  = "/var/lib/daisy-mcast"
	defaultPatience = 30 * time.Second
)

func (o Options) withDefaults() Options {
	if o.BaseDir == "" {
		o.BaseDir = DefaultBaseDir
	}
	if o.Patience <= 0 {
		o.Patience = defaultPatience
	}
	return o
}

func (o Options) validate() error {
	if !path.IsAbs(o.BaseDir) || path.Clean(o.BaseDir) != o.BaseDir || !isPlainPath(o.BaseDir) {
		return fmt.Errorf("base directory %q: want an absolute path of letters, digits and ._+-/,=@", o.BaseDir)
	}
	if strings.ContainsFunc(o.BecomePassword.Reveal(), unicode.IsControl) {
		return errors.New("a control character in sudo's password")
	}
	return nil
}

func isPlainPath(p string) bool {
	return !strings.ContainsFunc(p, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') &&
			!strings.ContainsRune("._+-/,=@", r)
	})
}

// FileName is the program's name in BaseDir/bin. The digest in it lets several
// versions run beside each other.
func (p Program) FileName() string { return "daisy-mcast-" + p.SHA256[:16] }

func (p Program) validate() error {
	sum, err := hex.DecodeString(p.SHA256)
	if err != nil || len(sum) != sha256.Size || strings.ToLower(p.SHA256) != p.SHA256 {
		return fmt.Errorf("%q is no SHA-256 digest", p.SHA256)
	}
	if p.Size <= 0 || p.Reader == nil {
		return errors.New("an empty program")
	}
	return nil
}

// request is the line that asks the host for the program.
func (p Program) request() string {
	form := "plain"
	if p.Packed != nil {
		form = "gzip"
	}
	return fmt.Sprintf("%s %s %d %s\n", p.FileName(), p.SHA256, p.Size, form)
}
