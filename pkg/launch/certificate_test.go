package launch

import (
	"net/netip"
	"path/filepath"
	"testing"

	"github.com/daisy-mcast/daisy-mcast/pkg/registry"
)

// withCertificate makes the registry speak TLS on a second address.
func (b *bench) withCertificate() {
	b.Helper()
	b.spec.CertDir = filepath.Join(b.TempDir(), "tls")
	b.spec.TLSListen = []netip.AddrPort{freePort(b.T)}
	b.certify(b.spec.TLSListen[0].Addr())
}

func (b *bench) certify(addrs ...netip.Addr) {
	b.Helper()
	if _, err := registry.EnsureCertificate(b.spec.CertDir, addrs); err != nil {
		b.Fatal(err)
	}
}

// TestCertificateChanges: a registry reads it once, so it is replaced.
func TestCertificateChanges(t *testing.T) {
	t.Parallel()
	modes(t, func(b *bench) {
		b.withCertificate()
		first := b.start()
		if status := b.start(); !status.Kept {
			b.Errorf("the same certificate: %+v", status)
		}
		b.certify(b.spec.TLSListen[0].Addr(), netip.MustParseAddr("192.0.2.1"))
		if second := b.start(); second.PID == first.PID {
			b.Error("it shows the old certificate")
		}
	})
}

// TestR11CheckWithOneAddressOfTwo: the deploy server, also a target, checks its
// local address of the one registry.
func TestR11CheckWithOneAddressOfTwo(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.withCertificate()
	pid := b.start().PID
	b.spec.TLSListen = nil
	if status := b.check(); status.PID != pid {
		t.Errorf("checked: %+v", status)
	}
}
