package lab

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Engine is the container engine that a host runs.
type Engine int

const (
	NoEngine        Engine = iota
	Docker                 // dockerd as it starts when nobody told it anything
	DockerKollaLike        // dockerd as Kolla configures it: no bridge, no iptables
	Podman                 // podman's API service on its default socket
)

// DockerSocket and PodmanSocket are the engines' default sockets.
const (
	DockerSocket = "/var/run/docker.sock"
	PodmanSocket = "/run/podman/podman.sock"
)

func (e Engine) command() []string {
	switch e {
	case Docker:
		return []string{"dockerd"}
	case DockerKollaLike:
		return []string{"dockerd", "--bridge=none", "--iptables=false"}
	case Podman:
		return []string{"podman", "system", "service", "--time=0", "unix://" + PodmanSocket}
	default:
		return nil
	}
}

func (e Engine) socket() string {
	if e == Podman {
		return PodmanSocket
	}
	return DockerSocket
}

// StartEngine starts the host's engine, if it has one, and waits until it
// answers.
func (h *Host) StartEngine(ctx context.Context) error {
	args := h.cfg.Engine.command()
	if args == nil {
		return nil
	}
	if h.cfg.Engine == Podman {
		if err := h.Within(func() error { return os.MkdirAll("/run/podman", 0o700) }); err != nil {
			return err
		}
	}
	p, err := h.Start(Cmd{Args: []string{"sh", "-c", "exec " + strings.Join(args, " ") + " >>/var/log/engine.log 2>&1"}})
	if err != nil {
		return err
	}
	h.mu.Lock()
	h.engine = p
	h.mu.Unlock()
	if err := h.await(ctx, p, h.pingEngine); err != nil {
		log, _ := h.ReadFile("/var/log/engine.log")
		return fmt.Errorf("%w\n%s", err, tail(string(log), 3000))
	}
	return nil
}

// pingEngine asks the engine's API for a sign of life.
func (h *Host) pingEngine() error {
	return h.Within(func() error {
		conn, err := net.DialTimeout("unix", h.cfg.Engine.socket(), time.Second)
		if err != nil {
			return err
		}
		defer conn.Close()
		conn.SetDeadline(time.Now().Add(5 * time.Second))
		if _, err := io.WriteString(conn, "GET /_ping HTTP/1.0\r\nHost: engine\r\n\r\n"); err != nil {
			return err
		}
		answer, err := io.ReadAll(io.LimitReader(conn, 4096))
		if err != nil {
			return err
		}
		if !strings.Contains(string(answer), " 200 ") {
			return fmt.Errorf("the engine answers %q", answer)
		}
		return nil
	})
}

// StopEngine stops the engine in good order. Containers end with it, as with
// dockerd's default.
func (h *Host) StopEngine() {
	if p := h.takeEngine(); p != nil {
		p.Stop(20 * time.Second)
	}
}

// KillEngine kills the engine and all that it runs, as a crash of the machine
// does.
func (h *Host) KillEngine(ctx context.Context) error {
	p := h.takeEngine()
	if p == nil {
		return nil
	}
	if err := p.Signal(unix.SIGKILL); err != nil {
		return err
	}
	<-p.Done()
	return h.killChildrenOfEngine(ctx)
}

// HangEngine stops the engine's processes from running; its socket stays.
func (h *Host) HangEngine() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.engine.Signal(unix.SIGSTOP)
}

func (h *Host) takeEngine() *Process {
	h.mu.Lock()
	defer h.mu.Unlock()
	p := h.engine
	h.engine = nil
	return p
}

// killChildrenOfEngine kills containerd, its shims and what is in containers.
func (h *Host) killChildrenOfEngine(ctx context.Context) error {
	for _, p := range h.Processes() {
		inContainer := p.PIDs > 1
		if inContainer || strings.HasPrefix(p.Name, "containerd") {
			h.KillPID(p.PID, unix.SIGKILL)
		}
	}
	return ctx.Err()
}

func tail(s string, n int) string {
	if len(s) > n {
		return s[len(s)-n:]
	}
	return s
}
