package registry

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"
)

func addrs(list ...string) []netip.Addr {
	var all []netip.Addr
	for _, s := range list {
		all = append(all, netip.MustParseAddr(s))
	}
	return all
}

func TestR12CertificateKeepsItsAuthority(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "certs")
	first, err := EnsureCertificate(dir, addrs("10.20.11.2", "10.20.11.1", "10.20.11.1"))
	check(t, err)
	served := readFile(t, first.CertFile)
	again, err := EnsureCertificate(dir, addrs("10.20.11.1", "10.20.11.2"))
	check(t, err)
	if !bytes.Equal(first.CAPEM, again.CAPEM) || !bytes.Equal(served, readFile(t, again.CertFile)) {
		t.Error("the same addresses made a new certificate")
	}
	moved, err := EnsureCertificate(dir, addrs("10.20.11.3"))
	check(t, err)
	wantVerifies(t, moved, "10.20.11.3", true)
	wantVerifies(t, moved, "deploy", false)
	moved, err = EnsureCertificate(dir, addrs("10.20.11.3"), "deploy")
	check(t, err)
	if !bytes.Equal(first.CAPEM, moved.CAPEM) {
		t.Error("new addresses made a new authority: hosts have pinned the old one")
	}
	if bytes.Equal(served, readFile(t, moved.CertFile)) {
		t.Error("new addresses made no new certificate")
	}
	wantVerifies(t, moved, "10.20.11.3", true)
	wantVerifies(t, moved, "deploy", true)
	wantVerifies(t, moved, "10.20.11.2", false)
}

// wantVerifies checks the certificate as clients do, in 1970, now and in 2100.
func wantVerifies(t *testing.T, c Certificate, host string, want bool) {
	t.Helper()
	pair, err := tls.LoadX509KeyPair(c.CertFile, c.KeyFile)
	check(t, err)
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(c.CAPEM)
	for _, year := range []int{1970, time.Now().Year(), 2100} {
		now := time.Date(year, 1, 1, 0, 0, 1, 0, time.UTC)
		_, err := pair.Leaf.Verify(x509.VerifyOptions{Roots: pool, DNSName: host, CurrentTime: now})
		if (err == nil) != want {
			t.Errorf("%s in %d: got %v, want it to verify: %v", host, year, err, want)
		}
	}
}

func readFile(t *testing.T, path string) []byte {
	t.Helper()
	raw, err := os.ReadFile(path)
	check(t, err)
	return raw
}

func TestCertificateFilesArePrivate(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "certs")
	check(t, os.Mkdir(dir, 0o755))
	c, err := EnsureCertificate(dir, addrs("127.0.0.1"))
	check(t, err)
	for path, want := range map[string]os.FileMode{dir: 0o700, c.KeyFile: 0o600, filepath.Join(dir, authorityFile): 0o600} {
		info, err := os.Stat(path)
		check(t, err)
		if info.Mode().Perm() != want {
			t.Errorf("%s: got mode %v, want %v", path, info.Mode().Perm(), want)
		}
	}
	if bytes.Contains(c.CAPEM, []byte("PRIVATE")) {
		t.Error("the CA to pin holds a key")
	}
	left, err := filepath.Glob(filepath.Join(dir, ".*"))
	if err != nil || len(left) > 0 {
		t.Errorf("got left-over files %q", left)
	}
}

func TestFault25CertificateDirIsNotASymlink(t *testing.T) {
	dir := t.TempDir()
	link := filepath.Join(dir, "link")
	check(t, os.Symlink(t.TempDir(), link))
	if _, err := EnsureCertificate(link, addrs("127.0.0.1")); err == nil {
		t.Error("a symlink was taken")
	}
	if _, err := EnsureCertificate(filepath.Join(dir, "x"), nil); err == nil {
		t.Error("a certificate for nothing was made")
	}
}

// An authority that is broken is reported; a server certificate that is broken
// is made again.
func TestCertificateBroken(t *testing.T) {
	dir := t.TempDir()
	c, err := EnsureCertificate(dir, addrs("127.0.0.1"))
	check(t, err)
	check(t, os.WriteFile(c.CertFile, []byte("x"), 0o600))
	_, err = EnsureCertificate(dir, addrs("127.0.0.1"))
	check(t, err)
	wantVerifies(t, c, "127.0.0.1", true)
	check(t, os.WriteFile(filepath.Join(dir, authorityFile), []byte("x"), 0o600))
	if _, err := EnsureCertificate(dir, addrs("127.0.0.1")); !errors.Is(err, ErrAuthority) {
		t.Errorf("got %v, want ErrAuthority", err)
	}
}

func TestCertificateOfTwoRunsAtOnce(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "certs")
	var wg sync.WaitGroup
	got := make([]Certificate, 8)
	for i := range got {
		wg.Go(func() {
			c, err := EnsureCertificate(dir, addrs("127.0.0.1"))
			if err != nil {
				t.Error(err)
			}
			got[i] = c
		})
	}
	wg.Wait()
	for _, c := range got {
		if !bytes.Equal(c.CAPEM, got[0].CAPEM) {
			t.Error("two runs made two authorities")
		}
	}
}

func TestCertificateNamesEachAddressOnce(t *testing.T) {
	c, err := EnsureCertificate(t.TempDir(), addrs("::1", "127.0.0.1", "::ffff:127.0.0.1", "fe80::1%eth0"), "b", "a", "b")
	check(t, err)
	pair, err := tls.LoadX509KeyPair(c.CertFile, c.KeyFile)
	check(t, err)
	want := []net.IP{net.ParseIP("127.0.0.1"), net.ParseIP("::1"), net.ParseIP("fe80::1")}
	if !slices.EqualFunc(pair.Leaf.IPAddresses, want, net.IP.Equal) || !slices.Equal(pair.Leaf.DNSNames, []string{"a", "b"}) {
		t.Errorf("got %v %v", pair.Leaf.IPAddresses, pair.Leaf.DNSNames)
	}
}

// FAULTS 27: whatever a host's clock says - 1970, an hour off, a century on - the
// central registry's certificate holds there, and nothing is fetched too early or
// never.
func TestFault27CertificateHoldsAtAnyClock(t *testing.T) {
	cert, err := EnsureCertificate(filepath.Join(t.TempDir(), "tls"), []netip.Addr{netip.MustParseAddr("127.0.0.1")})
	check(t, err)
	f := newFixture(t)
	layer := f.big("kolla/a", "1", 1000)
	ctx, stop := context.WithCancel(t.Context())
	addrs, ended := make(chan net.Addr, 1), make(chan error, 1)
	go func() {
		ended <- Serve(ctx, ServeConfig{Store: f.whole().Dir(), TLSListen: []string{"127.0.0.1:0"}, CertFile: cert.CertFile,
			KeyFile: cert.KeyFile, Ready: func(all []net.Addr) { addrs <- all[0] }})
	}()
	up := Upstream{URL: "https://" + (<-addrs).String(), CA: cert.CAPEM}
	for _, clock := range []time.Time{time.Unix(1, 0), time.Now().Add(time.Hour), time.Now().Add(-time.Hour), time.Now().AddDate(90, 0, 0)} {
		c, err := newUpstreamClient(up, timing{now: func() time.Time { return clock }})
		check(t, err)
		body, err := c.open(t.Context(), "kolla/a", "blobs", layer)
		if err != nil {
			t.Errorf("at %v: %v", clock, err)
			continue
		}
		check(t, relay(io.Discard, body, layer))
		body.Close()
		c.http.CloseIdleConnections()
	}
	stop()
	check(t, <-ended)
}
