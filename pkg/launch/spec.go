package launch

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/daisy-mcast/daisy-mcast/pkg/engine"
)

// A Mode is a way to keep the registry running.
type Mode string

// The modes.
const (
	// Auto keeps the mode of what runs; else it is Container when an engine
	// answers, Service when systemd runs the machine, Process otherwise.
	Auto      Mode = "auto"
	Container Mode = "container"
	Service   Mode = "service"
	Process   Mode = "process"
	None      Mode = "none" // nothing is started
)

// Defaults of a Spec.
const (
	DefaultName    = "daisy-mcast-registry"
	DefaultBaseDir = "/var/lib/daisy-mcast"
	// DefaultReadyTimeout is how long a registry may take from its start to its
	// first answer. It opens its store lazily, so a loaded machine's scheduling is
	// all there is to wait for.
	DefaultReadyTimeout = 15 * time.Second
)

// A Spec says which registry, and how it is kept running. The zero values of
// the fields with a default are usable.
type Spec struct {
	// Name is the container's, the unit's and the pid file's; DefaultName when
	// empty. Two deployments on one machine have two names.
	Name string
	Mode Mode // Auto when empty
	// Program is the path of the static daisy-mcast binary.
	Program string
	// StoreDir holds the images. It is only read, unless Fill.
	StoreDir string
	// Fill lets the registry keep in the store what it fetches from upstream.
	Fill bool
	// BaseDir has the pid file (run) and a process's output (log) below it;
	// DefaultBaseDir when empty.
	BaseDir string // also holds the lock and the note of the engine (run)
	// Listen are the addresses that speak plain HTTP: loopback only.
	Listen []netip.AddrPort
	// TLSListen are the addresses that speak TLS, with the certificate and key in
	// server.pem of CertDir, where registry.EnsureCertificate puts them. A container
	// does not see the other files there, the authority's key among them.
	TLSListen []netip.AddrPort
	CertDir   string
	// Identity is what the registry answers to whoever asks whose it is.
	Identity string
	// Args are more arguments of `registry serve`. No secrets: everybody on the
	// machine can read them.
	Args []string

	Engine  engine.Config
	Systemd Systemd
	// ReadyTimeout bounds the wait for the first answer; DefaultReadyTimeout
	// when zero.
	ReadyTimeout time.Duration
	Log          *slog.Logger // discarded when nil
}

// What a Spec may hold.
var (
	namePattern     = regexp.MustCompile(`^[a-zA-Z0-9][a-zA-Z0-9_.-]{0,62}$`)
	identityPattern = regexp.MustCompile(`^[!-~]{1,128}$`)
)

// certFile is the name of the certificate and key in CertDir.
const certFile = "server.pem"

// lowestPort is the first port that needs no privilege: the registry has none.
const lowestPort = 1024

func (s Spec) withDefaults() Spec {
	if s.Name == "" {
		s.Name = DefaultName
	}
	if s.Mode == "" {
		s.Mode = Auto
	}
	if s.BaseDir == "" {
		s.BaseDir = DefaultBaseDir
	}
	if s.ReadyTimeout <= 0 {
		s.ReadyTimeout = DefaultReadyTimeout
	}
	if s.Log == nil {
		s.Log = slog.New(slog.DiscardHandler)
	}
	s.Systemd = s.Systemd.withDefaults()
	return s
}

// validateName checks what Stop and Check need.
func (s Spec) validateName() error {
	if !namePattern.MatchString(s.Name) || strings.HasSuffix(s.Name, nextSuffix) {
		return fmt.Errorf("%w: name %q", ErrSpec, s.Name)
	}
	switch s.Mode {
	case Auto, Container, Service, Process, None:
	default:
		return fmt.Errorf("%w: mode %q: want auto, container, service, process or none", ErrSpec, s.Mode)
	}
	if !cleanPath(s.BaseDir) {
		return fmt.Errorf("%w: base directory %q is not absolute", ErrSpec, s.BaseDir)
	}
	return nil
}

// validate checks what Start needs.
func (s Spec) validate() error {
	if err := s.validateName(); err != nil {
		return err
	}
	if !identityPattern.MatchString(s.Identity) {
		return fmt.Errorf("%w: identity %q", ErrSpec, s.Identity)
	}
	if err := validateDir(s.StoreDir); err != nil {
		return err
	}
	if len(s.TLSListen) > 0 {
		if err := validateDir(s.CertDir); err != nil {
			return err
		}
	}
	if err := validateProgram(s.Program); err != nil {
		return err
	}
	for _, arg := range s.Args {
		if strings.ContainsFunc(arg, isControl) {
			return fmt.Errorf("%w: argument %q", ErrSpec, arg)
		}
	}
	return s.validateAddresses()
}

func (s Spec) validateAddresses() error {
	if len(s.Listen)+len(s.TLSListen) == 0 {
		return fmt.Errorf("%w: no address to listen on", ErrSpec)
	}
	for _, a := range s.wanted() {
		if !a.IsValid() || a.Addr().IsUnspecified() || a.Addr().IsMulticast() || a.Port() < lowestPort {
			return fmt.Errorf("%w: cannot listen on %s: one address and a port from %d are needed", ErrSpec, a, lowestPort)
		}
	}
	for _, a := range s.Listen {
		if !a.Addr().Unmap().IsLoopback() {
			return fmt.Errorf("%w: %s would serve without TLS off loopback", ErrSpec, a)
		}
	}
	return nil
}

func validateDir(dir string) error {
	if !cleanPath(dir) {
		return fmt.Errorf("%w: directory %q is not absolute", ErrSpec, dir)
	}
	info, err := os.Stat(dir)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrSpec, err)
	}
	if !info.IsDir() {
		return fmt.Errorf("%w: %s is not a directory", ErrSpec, dir)
	}
	return nil
}

func validateProgram(path string) error {
	if !cleanPath(path) {
		return fmt.Errorf("%w: program %q is not absolute", ErrSpec, path)
	}
	info, err := os.Stat(path)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrSpec, err)
	}
	if !info.Mode().IsRegular() || info.Mode().Perm()&0o111 == 0 {
		return fmt.Errorf("%w: %s is not a program", ErrSpec, path)
	}
	return nil
}

// cleanPath reports whether path can stand in a unit file, a mount and an
// argument list.
func cleanPath(path string) bool {
	return filepath.IsAbs(path) && filepath.Clean(path) == path && !strings.ContainsFunc(path, isControl)
}

func isControl(r rune) bool { return r < ' ' || r == 0x7f }

// wanted are all addresses to listen on.
func (s Spec) wanted() []netip.AddrPort { return slices.Concat(s.Listen, s.TLSListen) }

// args are the program's arguments, for a store and a certificate that it finds
// in the given places.
func (s Spec) args(store, cert string) []string {
	args := []string{"registry", "serve", "--store", store, "--identity", s.Identity}
	for _, a := range s.Listen {
		args = append(args, "--listen", a.String())
	}
	for _, a := range s.TLSListen {
		args = append(args, "--tls-listen", a.String())
	}
	if len(s.TLSListen) > 0 {
		args = append(args, "--cert", cert, "--key", cert)
	}
	if s.Fill {
		args = append(args, "--fill")
	}
	return append(append(args, s.Args...), "--wait", takeoverTime.String())
}

// certPath is where the certificate lies on this machine.
func (s Spec) certPath() string { return filepath.Join(s.CertDir, certFile) }

// surroundings name what a running registry would not notice to have changed: the
// certificate, which is read once, and the store's directory when another has
// come into its place.
func (s Spec) surroundings() ([]string, error) {
	info, err := os.Stat(s.StoreDir)
	if err != nil {
		return nil, fmt.Errorf("looking at the store: %w", err)
	}
	var inode uint64
	if sys, ok := info.Sys().(*syscall.Stat_t); ok {
		inode = sys.Ino
	}
	parts := []string{strconv.FormatUint(inode, 10)}
	if len(s.TLSListen) > 0 {
		version, err := fileVersion(s.certPath())
		if err != nil {
			return nil, err
		}
		parts = append(parts, version)
	}
	return parts, nil
}

// fileVersion names what is in a file: twelve digits of its SHA-256.
func fileVersion(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", fmt.Errorf("hashing a file: %w", err)
	}
	defer f.Close()
	sum := sha256.New()
	if _, err := io.Copy(sum, f); err != nil {
		return "", fmt.Errorf("hashing a file: %w", err)
	}
	return hex.EncodeToString(sum.Sum(nil))[:12], nil
}

// fingerprint is equal for two registries that would run in the same way.
func fingerprint(parts ...string) string {
	sum := sha256.New()
	for _, p := range parts {
		fmt.Fprintf(sum, "%d:%s,", len(p), p)
	}
	return hex.EncodeToString(sum.Sum(nil))[:32]
}
