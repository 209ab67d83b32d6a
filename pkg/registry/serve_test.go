package registry

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"syscall"
	"testing"
	"time"

	"github.com/daisy-mcast/daisy-mcast/pkg/store"
)

// serve runs Serve and returns its addresses, and a function that ends it and
// returns its error.
func serve(t *testing.T, cfg ServeConfig) (all []net.Addr, stop func() error) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	ready, ended := make(chan []net.Addr, 1), make(chan error, 1)
	cfg.Ready = func(addrs []net.Addr) { ready <- addrs }
	go func() { ended <- Serve(ctx, cfg) }()
	stop = func() error { cancel(); err := <-ended; ended <- err; return err }
	select {
	case all = <-ready:
	case err := <-ended:
		cancel()
		t.Fatal(err)
	}
	t.Cleanup(func() { stop() })
	return all, stop
}

// R11: a deploy server that is also a target gets both addresses from one
// process; R12: the one that leaves the machine speaks TLS with a pinned CA,
// which a host with its clock at 1970 believes too (fault 27).
func TestR11R12OneProcessServesPlainAndTLS(t *testing.T) {
	f := newFixture(t)
	layer := f.big("kolla/a", "1", 100_000)
	cert, err := EnsureCertificate(t.TempDir(), addrs("127.0.0.1"))
	check(t, err)
	all, stop := serve(t, ServeConfig{Store: f.whole().Dir(), Identity: testIdentity,
		Listen: []string{"127.0.0.1:0"}, TLSListen: []string{"127.0.0.1:0"}, CertFile: cert.CertFile, KeyFile: cert.KeyFile})
	plain, secure := "http://"+all[0].String(), "https://"+all[1].String()
	for _, base := range []string{plain, secure} {
		c, err := NewClient(ClientConfig{CA: cert.CAPEM})
		check(t, err)
		check(t, c.VerifyLocal(t.Context(), base, f.set(), testIdentity))
		c.Close()
	}
	st := f.lean()
	check(t, WriteUpstream(st.Dir(), Upstream{URL: secure, CA: cert.CAPEM}))
	get(t, start(t, st)+"/v2/kolla/a/blobs/"+string(layer.Digest)).wantStatus(t, 200, "")

	for _, year := range []int{1970, 2100} {
		clock := timing{now: func() time.Time { return time.Date(year, 1, 1, 0, 0, 5, 0, time.UTC) }}
		if err := reach(t.Context(), Upstream{URL: secure, CA: cert.CAPEM}, clock, f.images...); err != nil {
			t.Errorf("with the clock at %d: %v", year, err)
		}
	}
	other, err := EnsureCertificate(t.TempDir(), addrs("127.0.0.1"))
	check(t, err)
	var verify *tls.CertificateVerificationError
	if err := Reach(t.Context(), Upstream{URL: secure, CA: other.CAPEM}); !errors.As(err, &verify) {
		t.Errorf("with another CA pinned: got %v", err)
	}
	if err := Reach(t.Context(), Upstream{URL: secure}); !errors.As(err, &verify) {
		t.Errorf("with the system's CAs: got %v", err)
	}
	check(t, stop())
}

// The certificate's address is checked, not only who signed it.
func TestR12CertificateOfAnotherAddressIsRefused(t *testing.T) {
	cert, err := EnsureCertificate(t.TempDir(), addrs("10.20.11.2"))
	check(t, err)
	all, _ := serve(t, ServeConfig{Store: t.TempDir(), TLSListen: []string{"127.0.0.1:0"}, CertFile: cert.CertFile, KeyFile: cert.KeyFile})
	if err := Reach(t.Context(), Upstream{URL: "https://" + all[0].String(), CA: cert.CAPEM}); err == nil {
		t.Error("a certificate for 10.20.11.2 was taken for 127.0.0.1")
	}
}

func TestT13PlainOnLoopbackOnly(t *testing.T) {
	ended, cancel := context.WithCancel(t.Context())
	cancel() // what does listen, ends at once
	for _, address := range []string{"0.0.0.0:0", "[::]:0", "10.0.0.1:4000"} {
		if err := Serve(ended, ServeConfig{Store: t.TempDir(), Listen: []string{address}}); !errors.Is(err, ErrPlain) {
			t.Errorf("%s: got %v, want ErrPlain", address, err)
		}
	}
	for _, address := range []string{":4000", "localhost:4000", "127.0.0.1", ""} {
		if err := Serve(ended, ServeConfig{Store: t.TempDir(), Listen: []string{address}}); err == nil {
			t.Errorf("%q was taken", address)
		}
	}
	all, stop := serve(t, ServeConfig{Store: t.TempDir(), Listen: []string{"0.0.0.0:0"}, InsecurePlain: true})
	if !netip.MustParseAddrPort(all[0].String()).Addr().IsUnspecified() {
		t.Errorf("got %v", all)
	}
	check(t, stop())
}

// One address that is taken: none is served.
func TestServeAllAddressesOrNone(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	check(t, err)
	defer taken.Close()
	free, err := net.Listen("tcp", "127.0.0.1:0")
	check(t, err)
	address := free.Addr().String()
	free.Close()
	err = Serve(t.Context(), ServeConfig{Store: t.TempDir(), Listen: []string{address, taken.Addr().String()}})
	var op *net.OpError
	if !errors.As(err, &op) {
		t.Fatalf("got %v, want the address in use", err)
	}
	if again, err := net.Listen("tcp", address); err != nil {
		t.Errorf("the free address is still held: %v", err)
	} else {
		again.Close()
	}
	if err := Serve(t.Context(), ServeConfig{Store: t.TempDir(), TLSListen: []string{"127.0.0.1:0"}}); err == nil {
		t.Error("TLS without a certificate was served")
	}
}

// A pull that is under way when the registry is told to stop is finished, one
// through upstream too.
func TestShutdownIsGraceful(t *testing.T) {
	f := newFixture(t)
	layer := f.big("kolla/a", "1", 16<<20) // more than socket buffers hold
	whole, lean := f.whole(), f.lean()
	check(t, WriteUpstream(lean.Dir(), Upstream{URL: start(t, whole)}))
	finishPull(t, whole.Dir(), layer)
	finishPull(t, lean.Dir(), layer)
}

func finishPull(t *testing.T, dir string, layer store.Blob) {
	t.Helper()
	all, stop := serve(t, ServeConfig{Store: dir, Listen: []string{"127.0.0.1:0"}})
	resp, err := http.Get("http://" + all[0].String() + "/v2/kolla/a/blobs/" + string(layer.Digest))
	check(t, err)
	defer resp.Body.Close()
	ended := make(chan error, 1)
	go func() { ended <- stop() }()
	for { // told: it takes no more
		conn, err := net.Dial("tcp", all[0].String())
		if err != nil {
			break
		}
		conn.Close()
	}
	check(t, relay(discard{}, resp.Body, layer))
	check(t, <-ended)
}

type discard struct{}

func (discard) Write(p []byte) (int, error) { return len(p), nil }

// A switch of sets is seen by the next request: old or new, never neither.
func TestFault73SwitchOfSetsIsSeenAtOnce(t *testing.T) {
	old := newFixture(t)
	old.big("kolla/a", "1", 500)
	st := old.whole()
	base := start(t, st)
	get(t, base+"/v2/kolla/a/manifests/1").wantHeader(t, headerDigest, string(old.images[0].Manifest))
	f := newFixture(t)
	f.big("kolla/a", "1", 600)
	for d := range f.content {
		writeBlob(t, st, f.content[d])
	}
	set := f.set()
	check(t, st.PutSet(set))
	get(t, base+"/v2/kolla/a/manifests/1").wantHeader(t, headerDigest, string(old.images[0].Manifest))
	check(t, st.Activate(set.ID))
	get(t, base+"/v2/kolla/a/manifests/1").wantHeader(t, headerDigest, string(f.images[0].Manifest))
	check(t, st.Activate(old.set().ID))
	get(t, base+"/v2/kolla/a/manifests/1").wantHeader(t, headerDigest, string(old.images[0].Manifest))
}

// A registry that waits for the address of another takes it when that one ends,
// and does not listen anywhere before.
func TestServeWaitsForAnAddress(t *testing.T) {
	var old net.ListenConfig
	taken, err := old.Listen(t.Context(), "tcp", "127.0.0.1:0")
	check(t, err)
	address := taken.Addr().String()
	ctx, cancel := context.WithCancel(t.Context())
	ready := make(chan struct{})
	ended := make(chan error, 1) // the one value of Serve
	go func() {
		ended <- Serve(ctx, ServeConfig{Store: t.TempDir(), Listen: []string{"127.0.0.1:0", address}, Identity: testIdentity,
			Wait: time.Minute, Ready: func([]net.Addr) { close(ready) }})
	}()
	select {
	case err := <-ended:
		t.Fatalf("it ended: %v", err)
	case <-ready:
		t.Fatal("it serves beside another")
	case <-time.After(3 * listenAgain):
	}
	taken.Close()
	<-ready
	if id, err := newTestClient(t).Ping(t.Context(), "http://"+address); err != nil || id != testIdentity {
		t.Errorf("got %q, %v", id, err)
	}
	cancel()
	check(t, <-ended)
	// Told to end while it waits, it does not stay.
	taken, err = old.Listen(t.Context(), "tcp", address)
	check(t, err)
	defer taken.Close()
	ctx, cancel = context.WithTimeout(t.Context(), 100*listenAgain) // it is opened by then
	defer cancel()
	err = Serve(ctx, ServeConfig{Store: t.TempDir(), Listen: []string{address}, Wait: time.Minute})
	if !errors.Is(err, syscall.EADDRINUSE) {
		t.Errorf("got %v, want that the address is in use", err)
	}
}
