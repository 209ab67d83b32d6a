package engine

import (
	"context"
	"io"
)

// An Engine is a container engine of this machine. It is safe for concurrent
// use. Names are exact; no call matches by prefix.
type Engine interface {
	// Info says what the engine is.
	Info(ctx context.Context) (Info, error)

	// Load reads one image archive (docker save's form, or what the engine
	// takes besides) to its end and returns the names that were loaded. The
	// answer is read to its end too: an error that stands in it is returned.
	Load(ctx context.Context, archive io.Reader) (names []string, err error)
	// Pull fetches ref, which names registry, repository and tag or digest
	// (ErrReference otherwise), and returns the image's ID. From a registry on
	// loopback it goes without TLS. The answer is read to its end, as Load's.
	Pull(ctx context.Context, ref string) (id string, err error)
	// Image returns what the engine knows of the image with the name or ID ref,
	// or ErrNotFound.
	Image(ctx context.Context, ref string) (Image, error)
	// ImageIDs returns the IDs of all images, those without a name too.
	ImageIDs(ctx context.Context) ([]string, error)
	// HasImage reports whether an image has the name ref.
	HasImage(ctx context.Context, ref string) (bool, error)
	// ImageID returns the ID ("sha256:...") of the image with the name ref, or
	// ErrNotFound.
	ImageID(ctx context.Context, ref string) (string, error)
	// Images returns the names of all images of a repository.
	Images(ctx context.Context, repository string) ([]string, error)
	// RemoveImage takes the name ref away, and the image with its last name.
	// ErrConflict when a container uses it; ErrNotFound.
	RemoveImage(ctx context.Context, ref string) error

	// Run is Create and Start. A container that does not start is removed.
	Run(ctx context.Context, c Container) (id string, err error)
	// Create makes a container that does not run yet. ErrConflict when the name
	// is taken.
	Create(ctx context.Context, c Container) (id string, err error)
	// Start starts a container; one that runs is left alone.
	Start(ctx context.Context, name string) error
	// Inspect returns a container's state, or ErrNotFound.
	Inspect(ctx context.Context, name string) (State, error)
	// Rename gives a container, running or not, another name.
	Rename(ctx context.Context, name, to string) error
	// Stop ends a container: SIGTERM, and SIGKILL after 10 s. One that does not
	// run, or does not exist, is stopped.
	Stop(ctx context.Context, name string) error
	// Remove removes a container, also a running one; one that does not exist
	// is removed.
	Remove(ctx context.Context, name string) error

	// Close ends the connections.
	Close() error
}

// A Kind is whose engine it is.
type Kind string

// The kinds. Auto is only for [Config].
const (
	Auto   Kind = "auto"
	Docker Kind = "docker"
	Podman Kind = "podman"
)

// Info is what an engine says about itself.
type Info struct {
	Kind       Kind   // Docker or Podman
	Version    string // the engine's own, as in 20.10.24
	APIVersion string // what this program and the engine agreed on, as in 1.41
	RootDir    string // where images are unpacked, for R16's disk check
	Arch       string // a GOARCH name
	Socket     string // the path of its socket
	// KeepsContent reports whether the engine keeps an image's compressed layers
	// beside the unpacked ones, as Docker with containerd's store does; the image's
	// ID is then its manifest's digest.
	KeepsContent bool
}

// An Image is what an engine knows of an image.
type Image struct {
	ID string // sha256:...: of the configuration, or of the manifest; see Info
	// Digests are the names by digest under which it was pulled, as in
	// 127.0.0.1:4000/kolla/nova-api@sha256:...
	Digests []string
	Layers  []string // digests of the unpacked layers (diff IDs), lowest first
}

// A Container is a program to run. What is not here is always the same: the
// host's network (Kolla's Docker has no bridge), no published port, a read-only
// root, no capabilities, no-new-privileges, SELinux confinement off (R15: the
// store would need relabelling).
type Container struct {
	Name   string
	Image  string
	Args   []string          // after the image's entrypoint
	User   string            // uid:gid; the image's when empty
	Labels map[string]string // ours only: Kolla's prune acts on kolla_version
	Mounts []Mount
	// Restart has the engine start the container again whenever it ends. With
	// Docker that outlives a reboot, with Podman it does not.
	Restart bool
}

// A Mount shows a directory of the host inside, read-only unless Writable.
type Mount struct {
	Source   string // on the host, absolute; must exist
	Target   string // inside
	Writable bool
}

// A State is what a container is and does.
type State struct {
	ID         string
	Name       string
	Image      string // the name that it was made from
	ImageID    string
	Labels     map[string]string
	Args       []string
	Running    bool
	Restarting bool // ended, and waits to be started again by the engine
	PID        int  // of its first process as this machine sees it; 0 when not running
	ExitCode   int  // of the last end
	Error      string
	Restarts   int  // how often the engine has started it again
	Restart    bool // the engine starts it again by itself
}
