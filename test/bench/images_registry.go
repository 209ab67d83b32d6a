package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/daisy-mcast/daisy-mcast/pkg/store"
)

const (
	registryAddress = "127.0.0.1:14000"
	nginxAddress    = "127.0.0.1:14001"
	// servedClients is how many take the blob at once in the second row.
	servedClients = 4
)

// A served is one blob on a tmpfs that our registry and nginx serve, over loopback:
// nothing but the servers' own work is in the way.
type served struct {
	bed     *bed
	blob    store.Blob
	servers []*exec.Cmd
}

func openServed(ctx context.Context, t tools, o options) (imageStage, error) {
	nginx, err := exec.LookPath("nginx")
	if err != nil {
		return nil, fmt.Errorf("nginx is measured against: %w", err)
	}
	size := int64(512 * mib)
	if o.quick {
		size /= 8
	}
	s := &served{bed: &bed{}}
	if err := s.bed.makeDir(3 * size); err != nil {
		return nil, errors.Join(err, s.bed.remove())
	}
	if err := s.fill(size); err != nil {
		return nil, errors.Join(err, s.close())
	}
	conf := fmt.Sprintf(`daemon off; pid %[1]s/nginx.pid; error_log /dev/null; worker_processes auto;
events {}
http { access_log off; sendfile on; tcp_nopush on; client_body_temp_path %[1]s/t; proxy_temp_path %[1]s/t;
fastcgi_temp_path %[1]s/t; uwsgi_temp_path %[1]s/t; scgi_temp_path %[1]s/t;
server { listen %[2]s; root %[1]s/store/docker/registry/v2; } }`, s.bed.path(""), nginxAddress)
	if err := os.WriteFile(s.bed.path("nginx.conf"), []byte(conf), 0o644); err != nil {
		return nil, errors.Join(err, s.close())
	}
	err = errors.Join(
		s.start(ctx, t.program, "registry", "serve", "--store", s.bed.path("store"), "--listen", registryAddress),
		s.start(ctx, nginx, "-c", s.bed.path("nginx.conf")),
		s.await(ctx, s.ours()), s.await(ctx, s.nginx()))
	if err != nil {
		return nil, errors.Join(err, s.close())
	}
	return s, nil
}

// fill makes a store of one blob, in a repository as registry:2 links it.
func (s *served) fill(size int64) error {
	raw := make([]byte, size)
	rand.Read(raw)
	s.blob = store.Blob{Digest: store.DigestOf(raw), Size: size}
	st, err := store.Create(store.Config{Dir: s.bed.path("store")})
	if err != nil {
		return err
	}
	defer st.Close()
	w, err := st.NewBlob(s.blob)
	if err != nil {
		return err
	}
	if _, err := w.Write(raw); err != nil {
		return errors.Join(err, w.Abort())
	}
	if err := w.Commit(); err != nil {
		return err
	}
	links := s.bed.path("store/docker/registry/v2/repositories/kolla/a/_layers/sha256/" + s.blob.Digest.Hex())
	if err := os.MkdirAll(links, 0o755); err != nil {
		return err
	}
	// nginx's workers are another user's.
	return errors.Join(os.WriteFile(links+"/link", []byte(s.blob.Digest), 0o644), os.Chmod(s.bed.path(""), 0o755))
}

func (s *served) start(ctx context.Context, name string, args ...string) error {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	if err := cmd.Start(); err != nil {
		return err
	}
	s.servers = append(s.servers, cmd)
	return nil
}

func (s *served) ours() string {
	return "http://" + registryAddress + "/v2/kolla/a/blobs/" + string(s.blob.Digest)
}

func (s *served) nginx() string {
	h := s.blob.Digest.Hex()
	return "http://" + nginxAddress + "/blobs/sha256/" + h[:2] + "/" + h + "/data"
}

// await waits until a server delivers all of the blob.
func (s *served) await(ctx context.Context, url string) error {
	var err error
	for range 100 {
		if _, err = s.take(ctx, url, 1); err == nil {
			return nil
		}
		time.Sleep(50 * time.Millisecond)
	}
	return err
}

// take has so many clients read the blob at once, and returns the time.
func (s *served) take(ctx context.Context, url string, clients int) (time.Duration, error) {
	transport := &http.Transport{ReadBufferSize: 256 << 10, DisableKeepAlives: true}
	begun := time.Now()
	var g errgroup.Group
	for range clients {
		g.Go(func() error {
			req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
			if err != nil {
				return err
			}
			resp, err := transport.RoundTrip(req)
			if err != nil {
				return err
			}
			defer resp.Body.Close()
			n, err := io.Copy(io.Discard, resp.Body)
			if err == nil && (n != s.blob.Size || resp.StatusCode != http.StatusOK) {
				err = fmt.Errorf("%s answers %s with %d bytes", url, resp.Status, n)
			}
			return err
		})
	}
	err := g.Wait()
	return time.Since(begun), err
}

// round reads from one and the other in turn, five times: the machine's other work
// meets both alike.
func (s *served) round(ctx context.Context) ([]measure, error) {
	all := make([]measure, 2)
	for i, clients := range []int{1, servedClients} {
		for range 5 {
			other, err := s.take(ctx, s.nginx(), clients)
			if err != nil {
				return nil, err
			}
			ours, err := s.take(ctx, s.ours(), clients)
			if err != nil {
				return nil, err
			}
			all[i].other += other
			all[i].ours += ours
		}
		all[i].value = ratio(all[i].other, all[i].ours)
	}
	return all, nil
}

func (s *served) close() error {
	for _, cmd := range s.servers {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		_ = cmd.Wait() // its status is the signal's
	}
	return s.bed.remove()
}
