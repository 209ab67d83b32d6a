package registry

import (
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"syscall"

	"github.com/daisy-mcast/daisy-mcast/pkg/atomicfile"
)

// An Upstream is the central registry that a registry leans on for what its
// store lacks of the current set.
type Upstream struct {
	// URL is https://host[:port][/prefix]. Repositories are looked for below the
	// prefix. Plain http is taken for loopback addresses only.
	URL string `json:"url"`
	// CA is the PEM certificate that alone is trusted; empty means the system's.
	CA []byte `json:"ca,omitempty"`
	// Username and Password answer a Basic challenge or buy a Bearer token.
	Username string `json:"username,omitempty"`
	Password string `json:"password,omitempty"`
}

// String names u without its password.
func (u Upstream) String() string { return u.URL }

// GoString is String: %#v must not show the password either.
func (u Upstream) GoString() string { return u.URL }

// LogValue keeps the password out of logs.
func (u Upstream) LogValue() slog.Value { return slog.StringValue(u.URL) }

var errUpstream = errors.New("registry: not a usable upstream")

// parse checks u and returns its URL.
func (u Upstream) parse() (*url.URL, error) {
	base, err := url.Parse(u.URL)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errUpstream, err)
	}
	bad := func(what string) (*url.URL, error) {
		return nil, fmt.Errorf("%w: %s: %s", errUpstream, base.Redacted(), what)
	}
	switch {
	case base.Host == "":
		return bad("no host")
	case base.User != nil:
		return bad("a password does not belong into a URL")
	case base.RawQuery != "" || base.Fragment != "":
		return bad("a query or fragment")
	case base.Scheme == "http" && !isLoopbackHost(base.Hostname()):
		return bad("plain http is for loopback addresses only")
	case base.Scheme != "http" && base.Scheme != "https":
		return bad("neither https nor http")
	case len(u.CA) > 0 && !x509.NewCertPool().AppendCertsFromPEM(u.CA):
		return bad("no certificate in its CA")
	}
	return base, nil
}

func isLoopbackHost(host string) bool {
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.IsLoopback()
}

// UpstreamPath returns the file that says which upstream the store in dir has.
func UpstreamPath(dir string) string { return filepath.Join(dir, "daisy-mcast", "upstream.json") }

// WriteUpstream makes up the upstream of the store in dir, with mode 0600
// because of its password. A registry that is running takes it from the next
// request on. A zero Upstream removes it.
func WriteUpstream(dir string, up Upstream) error {
	path := UpstreamPath(dir)
	if up.URL == "" {
		if err := os.Remove(path); err != nil && !isNotExist(err) {
			return fmt.Errorf("removing the upstream: %w", err)
		}
		return nil
	}
	if _, err := up.parse(); err != nil {
		return err
	}
	raw, err := json.MarshalIndent(up, "", "  ")
	if err != nil {
		return fmt.Errorf("encoding the upstream: %w", err)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return fmt.Errorf("writing the upstream: %w", err)
	}
	if err := atomicfile.Write(path, append(raw, '\n'), 0o600); err != nil {
		return fmt.Errorf("writing the upstream: %w", err)
	}
	return nil
}

// ReadUpstream returns the upstream of the store in dir, or ErrNoUpstream.
func ReadUpstream(dir string) (Upstream, error) {
	f, err := os.Open(UpstreamPath(dir))
	if isNotExist(err) {
		return Upstream{}, ErrNoUpstream
	}
	if err != nil {
		return Upstream{}, fmt.Errorf("reading the upstream: %w", err)
	}
	defer f.Close()
	raw, err := io.ReadAll(io.LimitReader(f, maxUpstreamFile+1))
	if err != nil {
		return Upstream{}, fmt.Errorf("reading the upstream: %w", err)
	}
	var up Upstream
	if len(raw) > maxUpstreamFile {
		return Upstream{}, fmt.Errorf("%w: %s is over %d bytes", errUpstream, f.Name(), maxUpstreamFile)
	}
	if err := json.Unmarshal(raw, &up); err != nil {
		return Upstream{}, fmt.Errorf("%w: %s: %w", errUpstream, f.Name(), err)
	}
	return up, nil
}

// An upstreamFile makes upstream.json's client and keeps it as long as the file
// is the same. Safe for concurrent use.
type upstreamFile struct {
	dir string // the store's

	mu    sync.Mutex
	stamp fileStamp
	up    *upstreamClient
	err   error // why up is nil
}

// A fileStamp tells one version of a file that is replaced by rename from another.
type fileStamp struct {
	inode  uint64
	size   int64
	mtime  int64 // ns
	exists bool
}

func newUpstreamFile(dir string) *upstreamFile {
	return &upstreamFile{dir: dir, err: ErrNoUpstream}
}

// client returns the client of the upstream that is configured now. Only what
// the file says is kept, or that there is none: when it could not be read, for
// want of file descriptors say, or says nothing usable, the next call tries again.
func (f *upstreamFile) client() (*upstreamClient, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	stamp, err := stampOf(UpstreamPath(f.dir))
	if err != nil {
		return nil, fmt.Errorf("reading the upstream: %w", err)
	}
	if stamp == f.stamp {
		return f.up, f.err
	}
	var client *upstreamClient
	up, err := ReadUpstream(f.dir)
	if err == nil {
		client, err = newUpstreamClient(up, timing{})
	}
	if err != nil && !errors.Is(err, ErrNoUpstream) {
		return nil, err
	}
	if f.up != nil {
		f.up.http.CloseIdleConnections()
	}
	f.stamp, f.up, f.err = stamp, client, err
	return f.up, f.err
}

func stampOf(path string) (fileStamp, error) {
	info, err := os.Stat(path)
	if isNotExist(err) {
		return fileStamp{}, nil
	}
	if err != nil {
		return fileStamp{}, err
	}
	s := fileStamp{size: info.Size(), mtime: info.ModTime().UnixNano(), exists: true}
	if sys, ok := info.Sys().(*syscall.Stat_t); ok {
		s.inode = sys.Ino
	}
	return s, nil
}
