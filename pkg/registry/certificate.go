package registry

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"github.com/daisy-mcast/daisy-mcast/pkg/atomicfile"
)

// A Certificate is what the central registry shows (CertFile, KeyFile) and what
// hosts pin (CAPEM). Both files are the same one, so that certificate and key
// change together.
type Certificate struct {
	CAPEM             []byte
	CertFile, KeyFile string
}

// ErrAuthority says that a certificate authority is there but cannot be used.
// It is never replaced silently: hosts and engines have pinned it.
var ErrAuthority = errors.New("registry: the certificate authority cannot be used")

const (
	authorityFile = "authority.pem" // certificate and key, 0600
	serverFile    = "server.pem"    // certificate and key, 0600
)

// validity is wide on purpose: a host's clock may stand at 1970, and nothing but
// the pin decides whom to trust (FAULTS 27).
func validity() (notBefore, notAfter time.Time) {
	return time.Date(1970, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(2120, 1, 1, 0, 0, 0, 0, time.UTC)
}

// EnsureCertificate keeps in dir, with mode 0700, a certificate authority that
// is made once, and under it a certificate for addrs and names that is made anew
// when they change. Runs at the same time wait for each other.
func EnsureCertificate(dir string, addrs []netip.Addr, names ...string) (Certificate, error) {
	if len(addrs)+len(names) == 0 {
		return Certificate{}, errors.New("registry: a certificate for no address")
	}
	unlock, err := openCertDir(dir)
	if err != nil {
		return Certificate{}, fmt.Errorf("keeping certificates in %s: %w", dir, err)
	}
	defer unlock()
	ca, err := ensureAuthority(filepath.Join(dir, authorityFile))
	if err != nil {
		return Certificate{}, err
	}
	path := filepath.Join(dir, serverFile)
	if !isCurrent(path, ca.Leaf, addrs, names) {
		if err := issue(path, ca, addrs, names); err != nil {
			return Certificate{}, fmt.Errorf("making the registry's certificate: %w", err)
		}
	}
	return Certificate{CAPEM: encodeCert(ca.Leaf.Raw), CertFile: path, KeyFile: path}, nil
}

// openCertDir makes dir ours alone and locks it.
func openCertDir(dir string) (unlock func(), err error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	info, err := os.Lstat(dir)
	if err != nil {
		return nil, err
	}
	owner, ok := info.Sys().(*syscall.Stat_t)
	if !info.IsDir() || ok && int(owner.Uid) != os.Geteuid() {
		return nil, errors.New("not a directory of this user's")
	}
	if err := os.Chmod(dir, 0o700); err != nil {
		return nil, err
	}
	d, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(d.Fd()), syscall.LOCK_EX); err != nil {
		d.Close()
		return nil, err
	}
	return func() { d.Close() }, nil
}

// ensureAuthority loads the authority, or makes it when there is none.
func ensureAuthority(path string) (tls.Certificate, error) {
	raw, err := os.ReadFile(path)
	if isNotExist(err) {
		if err := makeAuthority(path); err != nil {
			return tls.Certificate{}, fmt.Errorf("making the certificate authority: %w", err)
		}
		raw, err = os.ReadFile(path)
	}
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("%w: %w", ErrAuthority, err)
	}
	ca, err := tls.X509KeyPair(raw, raw)
	if err == nil && !ca.Leaf.IsCA {
		err = errors.New("not an authority's certificate")
	}
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("%w: %s: %w", ErrAuthority, path, err)
	}
	return ca, nil
}

func makeAuthority(path string) error {
	template, key, err := newTemplate()
	if err != nil {
		return err
	}
	template.Subject.CommonName += " " + hex.EncodeToString(template.SerialNumber.Bytes()[:4])
	template.IsCA, template.MaxPathLenZero, template.BasicConstraintsValid = true, true, true
	template.KeyUsage = x509.KeyUsageCertSign
	raw, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return err
	}
	return writePair(path, raw, key)
}

// issue makes the server's certificate.
func issue(path string, ca tls.Certificate, addrs []netip.Addr, names []string) error {
	template, key, err := newTemplate()
	if err != nil {
		return err
	}
	template.IPAddresses, template.DNSNames = ipList(addrs), nameList(names)
	template.KeyUsage = x509.KeyUsageDigitalSignature
	template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	raw, err := x509.CreateCertificate(rand.Reader, template, ca.Leaf, key.Public(), ca.PrivateKey)
	if err != nil {
		return err
	}
	return writePair(path, raw, key)
}

// newTemplate begins a certificate of ours, with a key of its own.
func newTemplate() (*x509.Certificate, *ecdsa.PrivateKey, error) {
	serial, err := newSerial()
	if err != nil {
		return nil, nil, err
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	from, to := validity()
	return &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: "daisy-mcast registry"}, NotBefore: from, NotAfter: to,
	}, key, nil
}

// isCurrent reports whether the certificate in path is ca's and names exactly
// addrs and names. One that cannot be read is not.
func isCurrent(path string, ca *x509.Certificate, addrs []netip.Addr, names []string) bool {
	pair, err := tls.LoadX509KeyPair(path, path)
	if err != nil || pair.Leaf.CheckSignatureFrom(ca) != nil {
		return false
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		return false
	}
	sameIPs := slices.EqualFunc(pair.Leaf.IPAddresses, ipList(addrs), net.IP.Equal)
	return sameIPs && slices.Equal(pair.Leaf.DNSNames, nameList(names))
}

// ipList returns addrs sorted, each once, in the form that certificates take.
func ipList(addrs []netip.Addr) []net.IP {
	sorted := make([]netip.Addr, len(addrs))
	for i, a := range addrs {
		sorted[i] = a.Unmap().WithZone("")
	}
	slices.SortFunc(sorted, netip.Addr.Compare)
	var ips []net.IP
	for _, a := range slices.Compact(sorted) {
		ips = append(ips, a.AsSlice())
	}
	return ips
}

func nameList(names []string) []string {
	return slices.Compact(slices.Sorted(slices.Values(names)))
}

// newSerial returns 127 random bits, the highest of them set.
func newSerial() (*big.Int, error) {
	var b [16]byte
	if _, err := rand.Read(b[:]); err != nil {
		return nil, err
	}
	b[0] = b[0]&0x3f | 0x40
	return new(big.Int).SetBytes(b[:]), nil
}

// writePair writes certificate and key as one file, 0600.
func writePair(path string, cert []byte, key *ecdsa.PrivateKey) error {
	raw, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	private := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: raw})
	return atomicfile.Write(path, bytes.Join([][]byte{encodeCert(cert), private}, nil), 0o600)
}

func encodeCert(raw []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: raw})
}
