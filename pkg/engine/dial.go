package engine

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/docker/docker/api/types/versions"
	"github.com/docker/docker/client"
)

// Where the engines listen.
const (
	DockerSocket = "/var/run/docker.sock"
	PodmanSocket = "/run/podman/podman.sock"
)

const (
	// DefaultTimeout is how long an engine may take for a short answer. Fault
	// 70 asks for 10 s.
	DefaultTimeout = 10 * time.Second
	// oldestAPI is what the client speaks at least: Docker 1.12.
	oldestAPI = "1.24"
	// stopGrace is what a container gets between SIGTERM and SIGKILL.
	stopGrace = 10 * time.Second
)

// A Config says which engine. The zero value takes Docker's, then Podman's.
type Config struct {
	// Kind is whose engine. Auto, or empty, takes the first that is there.
	Kind Kind
	// Socket is the path of its unix socket, with or without "unix://". Empty:
	// the places where the engines of Kind listen.
	Socket string
	// Timeout bounds every short call; DefaultTimeout when zero.
	Timeout time.Duration
}

func (c Config) sockets() ([]string, error) {
	if c.Socket != "" {
		return []string{strings.TrimPrefix(c.Socket, "unix://")}, nil
	}
	switch c.Kind {
	case Auto, "":
		return []string{DockerSocket, PodmanSocket}, nil
	case Docker:
		return []string{DockerSocket}, nil
	case Podman:
		return []string{PodmanSocket}, nil
	}
	return nil, fmt.Errorf("engine: unknown kind %q: want docker, podman or auto", c.Kind)
}

// Dial connects to the engine that cfg asks for. An engine that is absent
// gives way to the next one; one that is there and cannot be used (no
// permission, no answer, too old) does not: the operator has to know.
func Dial(ctx context.Context, cfg Config) (Engine, error) {
	if cfg.Timeout <= 0 {
		cfg.Timeout = DefaultTimeout
	}
	sockets, err := cfg.sockets()
	if err != nil {
		return nil, err
	}
	var absent []error
	for _, socket := range sockets {
		e, err := dialSocket(ctx, socket, cfg)
		if err == nil {
			return e, nil
		}
		if !errors.Is(err, ErrNoEngine) {
			return nil, err
		}
		absent = append(absent, err)
	}
	return nil, errors.Join(absent...)
}

func dialSocket(ctx context.Context, socket string, cfg Config) (*daemon, error) {
	d := &daemon{socket: socket, timeout: cfg.Timeout, dialer: &socketDialer{path: socket}}
	api, err := client.NewClientWithOpts(
		client.WithHTTPClient(&http.Client{Transport: &http.Transport{
			Proxy:              nil, // R6
			DialContext:        d.dialer.dial,
			DisableCompression: true,
			IdleConnTimeout:    cfg.Timeout,
		}}),
		client.WithHost("unix://"+socket),
		client.WithDialContext(d.dialer.dial),
		client.WithAPIVersionNegotiation(),
	)
	if err != nil {
		return nil, fmt.Errorf("making a client for %s: %w", socket, err)
	}
	d.api = api
	if err := d.greet(ctx, cfg.Kind); err != nil {
		d.Close()
		return nil, err
	}
	return d, nil
}

// greet agrees on the API's version and checks that the engine is of the kind
// asked for: /var/run/docker.sock may be Podman's (the podman-docker package).
func (d *daemon) greet(ctx context.Context, want Kind) error {
	ctx, cancel := d.short(ctx)
	defer cancel()
	ping, err := d.api.Ping(ctx)
	if err != nil {
		return d.fail(ctx, "greeting the engine on "+d.socket, err)
	}
	if v := ping.APIVersion; v != "" && versions.LessThan(v, oldestAPI) {
		return fmt.Errorf("%w: %s speaks API %s, at least %s is needed", ErrTooOld, d.socket, v, oldestAPI)
	}
	d.api.NegotiateAPIVersionPing(ping)
	version, err := d.api.ServerVersion(ctx)
	if err != nil {
		return d.fail(ctx, "asking "+d.socket+" for its version", err)
	}
	d.kind, d.version, d.arch = Docker, version.Version, version.Arch
	for _, c := range version.Components {
		if c.Name == "Podman Engine" {
			d.kind = Podman
		}
	}
	if (want == Docker || want == Podman) && want != d.kind {
		return fmt.Errorf("%w on %s: it is %s, not %s", ErrNoEngine, d.socket, d.kind, want)
	}
	return nil
}

// A socketDialer connects to one unix socket and remembers why it could not
// last time: the Docker client drops the cause.
type socketDialer struct {
	path string
	last atomic.Pointer[error]
}

func (s *socketDialer) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "unix", s.path)
	if err != nil {
		err = dialError(s.path, err)
		s.last.Store(&err)
		return nil, err
	}
	s.last.Store(nil)
	return conn, nil
}

// failure returns the error of the last attempt to connect, nil when it stood.
func (s *socketDialer) failure() error {
	if err := s.last.Load(); err != nil {
		return *err
	}
	return nil
}
