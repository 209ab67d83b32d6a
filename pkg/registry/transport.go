package registry

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"
)

// timing holds what tests set otherwise; zero values mean params.go's.
type timing struct {
	answer time.Duration    // until a header
	stall  time.Duration    // without a byte in mid-body
	now    func() time.Time // for certificates
}

func (t timing) answerTimeout() time.Duration {
	if t.answer == 0 {
		return answerTimeout
	}
	return t.answer
}

func (t timing) readStall() time.Duration {
	if t.stall == 0 {
		return readStall
	}
	return t.stall
}

// newTransport returns a way to other registries. Proxy variables of the
// environment are ignored (R6). With ca, that certificate alone is trusted.
// HTTP/2 stays off: its flow control slows one long body down, and a body that
// is cut must be an error of the connection.
func newTransport(ca []byte, t timing) (*http.Transport, error) {
	conf := &tls.Config{MinVersion: tls.VersionTLS12, Time: t.now}
	if len(ca) > 0 {
		conf.RootCAs = x509.NewCertPool()
		if !conf.RootCAs.AppendCertsFromPEM(ca) {
			return nil, errors.New("registry: no certificate in the pinned CA")
		}
	}
	dialer := &net.Dialer{Timeout: dialTimeout}
	return &http.Transport{
		Proxy:                  nil,
		DialContext:            dialer.DialContext,
		TLSClientConfig:        conf,
		TLSHandshakeTimeout:    handshakeLimit,
		ResponseHeaderTimeout:  t.answerTimeout(),
		IdleConnTimeout:        idleTimeout / 2, // before the server closes it
		MaxIdleConnsPerHost:    16,
		MaxResponseHeaderBytes: maxHeader,
		DisableCompression:     true,
		ReadBufferSize:         withheld,
	}, nil
}

// errStalled ends a body that stands still.
var errStalled = errors.New("registry: no data came for too long")

// A steadyBody ends with errStalled when one read takes longer than stall. The
// time its reader spends elsewhere does not count.
type steadyBody struct {
	cause  func() error // why the request's context ended; tells a stall
	body   io.ReadCloser
	stall  time.Duration
	timer  *time.Timer
	cancel context.CancelCauseFunc
}

// do sends req and watches over its body.
func do(client *http.Client, req *http.Request, stall time.Duration) (*http.Response, error) {
	ctx, cancel := context.WithCancelCause(req.Context())
	resp, err := client.Do(req.WithContext(ctx))
	if err != nil {
		cancel(nil)
		return nil, err
	}
	b := &steadyBody{cause: func() error { return context.Cause(ctx) }, body: resp.Body, stall: stall, cancel: cancel}
	b.timer = time.AfterFunc(stall, func() { cancel(errStalled) })
	b.timer.Stop()
	resp.Body = b
	return resp, nil
}

func (b *steadyBody) Read(p []byte) (int, error) {
	b.timer.Reset(b.stall)
	n, err := b.body.Read(p)
	b.timer.Stop()
	if err != nil && !errors.Is(err, io.EOF) && errors.Is(b.cause(), errStalled) {
		err = fmt.Errorf("%w (%v)", errStalled, b.stall)
	}
	return n, err
}

func (b *steadyBody) Close() error {
	b.timer.Stop()
	b.cancel(nil)
	return b.body.Close()
}
