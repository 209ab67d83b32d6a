package launch

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"os"
	"slices"
	"time"
)

const (
	identityHeader = "Daisy-Mcast-Registry" // see pkg/registry
	probeTimeout   = 3 * time.Second        // for one answer
	firstPause     = 10 * time.Millisecond  // between two probes, doubled up to
	longestPause   = 250 * time.Millisecond
	// maxCertFile bounds the certificate's file in bytes.
	maxCertFile = 1 << 20
)

var errIdentity = errors.New("launch: another registry answers")

// ready waits until inst is the registry that s describes. A registry that runs
// but is exposed is not waited for.
func (s Spec) ready(ctx context.Context, inst instance, limit time.Duration) error {
	parent := ctx
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	pause := firstPause
	var before error
	for {
		seen, err := s.readyNow(ctx, inst)
		var exposed *ExposedError
		if err == nil {
			return nil
		}
		if errors.As(err, &exposed) || errors.Is(err, os.ErrPermission) || seen.fault != "" {
			return fmt.Errorf("%w: %w", ErrNotReady, err)
		}
		err = unlessCut(ctx, err, before)
		before = err
		select {
		case <-ctx.Done():
			if parent.Err() != nil {
				err = context.Cause(parent) // what was seen last is of no interest
			}
			return fmt.Errorf("%w: %w", ErrNotReady, err)
		case <-time.After(pause):
			pause = min(2*pause, longestPause)
		}
	}
}

// unlessCut returns what a look has found - or, when time ended while it looked, what the
// one before had: that the time was over is no reason to give.
func unlessCut(ctx context.Context, err, before error) error {
	if before != nil && ctx.Err() != nil {
		return before
	}
	return err
}

// readyNow looks once.
func (s Spec) readyNow(ctx context.Context, inst instance) (sight, error) {
	seen, err := inst.look(ctx)
	switch {
	case err != nil:
		return seen, err
	case seen.fault != "":
		return seen, errors.New(seen.fault)
	case !seen.running || seen.pid == 0:
		return seen, errors.New("it does not run")
	}
	if err := s.ownsSockets(seen.pid); err != nil {
		return seen, err
	}
	if _, err := s.identify(ctx); err != nil {
		return seen, err
	}
	return seen, s.ownsSockets(seen.pid) // it listens on all of its own before it answers
}

// ownsSockets checks that the process listens on the wanted addresses and on no
// other (R8).
func (s Spec) ownsSockets(pid int) error {
	own, err := listenersOf(pid)
	if err != nil {
		return err
	}
	wanted := s.wanted()
	for i, a := range wanted {
		wanted[i] = unmapped(a)
	}
	for _, a := range own {
		if !slices.Contains(wanted, a) {
			return &ExposedError{Local: a}
		}
	}
	for _, a := range wanted {
		if !slices.Contains(own, a) {
			return fmt.Errorf("%w on %s", ErrNoListener, a)
		}
	}
	return nil
}

func unmapped(a netip.AddrPort) netip.AddrPort {
	return netip.AddrPortFrom(a.Addr().Unmap(), a.Port())
}

// exposure looks at what the registry listens on besides the wanted addresses: it
// may be more than the caller knows of, the deploy server's for all hosts, but
// nothing that other machines could use in plain text (R8, fault 72).
func (s Spec) exposure(ctx context.Context, listening []netip.AddrPort) error {
	for _, a := range listening {
		ip := a.Addr()
		if ip.IsLoopback() || slices.ContainsFunc(s.TLSListen, func(w netip.AddrPort) bool { return unmapped(w) == a }) {
			continue
		}
		if ip.IsUnspecified() {
			return &ExposedError{Local: a}
		}
		if _, err := identityOf(ctx, "http://"+a.String(), nil); err == nil {
			return &ExposedError{Local: a}
		}
	}
	return nil
}

// identify asks every address and returns the identity that all of them gave.
func (s Spec) identify(ctx context.Context) (string, error) {
	for _, a := range s.Listen {
		if err := s.expect(ctx, "http://"+a.String(), nil); err != nil {
			return "", err
		}
	}
	if len(s.TLSListen) == 0 {
		return s.Identity, nil
	}
	pinned, err := pinnedTo(s.certPath())
	if err != nil {
		return "", err
	}
	for _, a := range s.TLSListen {
		if err := s.expect(ctx, "https://"+a.String(), pinned); err != nil {
			return "", err
		}
	}
	return s.Identity, nil
}

func (s Spec) expect(ctx context.Context, url string, pinned *tls.Config) error {
	got, err := identityOf(ctx, url, pinned)
	if err == nil && got != s.Identity {
		err = fmt.Errorf("%w on %s: %q, not %q", errIdentity, url, got, s.Identity)
	}
	return err
}

// identityOf asks the registry at url whose it is.
func identityOf(ctx context.Context, url string, pinned *tls.Config) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url+"/v2/", nil)
	if err != nil {
		return "", fmt.Errorf("asking %s: %w", url, err)
	}
	direct := &http.Transport{Proxy: nil, DisableKeepAlives: true, TLSClientConfig: pinned} // R6
	answer, err := direct.RoundTrip(request)
	if err != nil {
		return "", fmt.Errorf("asking %s: %w", url, err)
	}
	defer answer.Body.Close()
	if _, err := io.CopyN(io.Discard, answer.Body, 4<<10); err != nil && !errors.Is(err, io.EOF) {
		return "", fmt.Errorf("asking %s: %w", url, err)
	}
	if answer.StatusCode != http.StatusOK {
		return "", fmt.Errorf("%s answers %s", url, answer.Status)
	}
	return answer.Header.Get(identityHeader), nil
}

// pinnedTo accepts exactly the certificate in file, whatever its names and dates
// say: the question is whether our registry serves it.
func pinnedTo(file string) (*tls.Config, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, fmt.Errorf("reading the registry's certificate: %w", err)
	}
	defer f.Close()
	raw, err := io.ReadAll(io.LimitReader(f, maxCertFile))
	if err != nil {
		return nil, fmt.Errorf("reading the registry's certificate: %w", err)
	}
	leaf := firstCertificate(raw)
	if leaf == nil {
		return nil, fmt.Errorf("reading the registry's certificate: none in %s", file)
	}
	return &tls.Config{
		MinVersion:         tls.VersionTLS12,
		InsecureSkipVerify: true, // replaced by the comparison below
		VerifyConnection: func(c tls.ConnectionState) error {
			if len(c.PeerCertificates) == 0 || !bytes.Equal(c.PeerCertificates[0].Raw, leaf) {
				return x509.CertificateInvalidError{Reason: x509.NotAuthorizedToSign, Detail: "not the registry's certificate"}
			}
			return nil
		},
	}, nil
}

func firstCertificate(raw []byte) []byte {
	for {
		var block *pem.Block
		if block, raw = pem.Decode(raw); block == nil {
			return nil
		}
		if block.Type == "CERTIFICATE" {
			return block.Bytes
		}
	}
}
