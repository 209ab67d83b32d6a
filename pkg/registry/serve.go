package registry

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"syscall"
	"time"

	"github.com/daisy-mcast/daisy-mcast/pkg/store"
)

// DefaultListen is where Kolla's pulls go on every host. Not 5000: Keystone has it.
const DefaultListen = "127.0.0.1:4000"

// ServeConfig says what Serve serves, and where.
type ServeConfig struct {
	// Store is the store's directory; it need not exist yet.
	Store string
	// Listen is where plain HTTP is spoken: IP:port, loopback only unless
	// InsecurePlain. Default: DefaultListen when TLSListen is empty too.
	Listen []string
	// TLSListen is where TLS is spoken: IP:port. Needs CertFile and KeyFile.
	TLSListen         []string
	CertFile, KeyFile string
	// InsecurePlain lets anybody on the network read and change what plain
	// addresses serve. For test beds.
	InsecurePlain bool
	// Wait is how long to wait for addresses that another program has: the
	// registry that this one takes the place of, until it is told to end. Default:
	// not at all.
	Wait      time.Duration
	Identity  string // see Config, like the next three
	Log       *slog.Logger
	AccessLog bool
	Fill      bool
	// Ready, when not nil, is called once with the addresses when all of them
	// take connections: first Listen's, then TLSListen's.
	Ready func(addrs []net.Addr)
}

// Serve serves cfg.Store on all addresses until ctx ends; then pulls under way
// may finish for a while. It returns nil after such an end, and an error when an
// address cannot be had: then none is served.
func Serve(ctx context.Context, cfg ServeConfig) error {
	st, err := store.Open(cfg.Store)
	if err != nil {
		return err
	}
	defer st.Close()
	h := newHandler(Config{Store: st, Identity: cfg.Identity, Log: cfg.Log, AccessLog: cfg.AccessLog, Fill: cfg.Fill})
	if cfg.Fill {
		if err := h.flights.fill.check(); err != nil {
			return err
		}
	}
	listeners, err := listenWithin(ctx, cfg)
	if err != nil {
		return err
	}
	defer h.flights.stop()
	server := newServer(ctx, h, cfg.Log)
	if cfg.Ready != nil {
		addrs := make([]net.Addr, len(listeners))
		for i, l := range listeners {
			addrs[i] = l.Addr()
		}
		cfg.Ready(addrs)
	}
	return run(ctx, server, listeners)
}

// newServer bounds what a client can hold on to. It speaks HTTP/1.1 only: a
// body that is cut then ends its connection, and one long body needs no flow
// control of its own.
func newServer(ctx context.Context, h http.Handler, log *slog.Logger) *http.Server {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	base := context.WithoutCancel(ctx) // pulls outlive ctx: see run
	return &http.Server{
		Handler:           h,
		Protocols:         protocols,
		ReadHeaderTimeout: readHeaderTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeader,
		BaseContext:       func(net.Listener) context.Context { return base },
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
}

// run serves until ctx ends or a listener breaks.
func run(ctx context.Context, server *http.Server, listeners []net.Listener) error {
	ended := make(chan error, len(listeners)) // one value from each listener's goroutine
	for _, l := range listeners {
		go func() { ended <- server.Serve(l) }()
	}
	var fault error
	running := len(listeners)
	select {
	case <-ctx.Done():
	case fault = <-ended:
		running--
	}
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownGrace)
	defer cancel()
	if server.Shutdown(grace) != nil {
		server.Close()
	}
	for ; running > 0; running-- {
		if err := <-ended; fault == nil {
			fault = err
		}
	}
	if fault != nil && !errors.Is(fault, http.ErrServerClosed) {
		return fmt.Errorf("serving the registry: %w", fault)
	}
	return nil
}

// listenWithin is listen, again and again while cfg.Wait lasts and an address is
// in use.
func listenWithin(ctx context.Context, cfg ServeConfig) ([]net.Listener, error) {
	deadline := time.Now().Add(cfg.Wait)
	var inUse error
	for {
		all, err := listen(ctx, cfg)
		switch {
		case err != nil && inUse != nil && ctx.Err() != nil:
			return nil, inUse
		case !errors.Is(err, syscall.EADDRINUSE) || time.Now().After(deadline):
			return all, err
		}
		inUse = err
		select {
		case <-ctx.Done():
			return nil, inUse
		case <-time.After(listenAgain):
		}
	}
}

// listen opens all addresses of cfg, or none.
func listen(ctx context.Context, cfg ServeConfig) (all []net.Listener, err error) {
	defer func() {
		if err != nil {
			for _, l := range all {
				l.Close()
			}
		}
	}()
	conf, err := tlsConfig(cfg)
	if err != nil {
		return nil, err
	}
	plain := cfg.Listen
	if len(plain) == 0 && len(cfg.TLSListen) == 0 {
		plain = []string{DefaultListen}
	}
	for _, address := range plain {
		l, err := listenOn(ctx, address, !cfg.InsecurePlain)
		if err != nil {
			return all, err
		}
		all = append(all, l)
	}
	for _, address := range cfg.TLSListen {
		l, err := listenOn(ctx, address, false)
		if err != nil {
			return all, err
		}
		all = append(all, tls.NewListener(l, conf))
	}
	return all, nil
}

// tlsConfig returns what TLSListen speaks, or nil when there is none.
func tlsConfig(cfg ServeConfig) (*tls.Config, error) {
	if len(cfg.TLSListen) == 0 {
		return nil, nil
	}
	pair, err := tls.LoadX509KeyPair(cfg.CertFile, cfg.KeyFile)
	if err != nil {
		return nil, fmt.Errorf("loading the registry's certificate: %w", err)
	}
	return &tls.Config{
		Certificates: []tls.Certificate{pair},
		MinVersion:   tls.VersionTLS12, // dockerd 1.12 has no 1.3
		NextProtos:   []string{"http/1.1"},
	}, nil
}

// listenOn opens one address. A name is refused: what it resolves to may change.
func listenOn(ctx context.Context, address string, loopbackOnly bool) (net.Listener, error) {
	ap, err := netip.ParseAddrPort(address)
	if err != nil {
		return nil, fmt.Errorf("listening on %q: not IP:port: %w", address, err)
	}
	if loopbackOnly && !ap.Addr().Unmap().IsLoopback() {
		return nil, fmt.Errorf("listening on %s: %w", address, ErrPlain)
	}
	conf := net.ListenConfig{KeepAlive: 15 * time.Second}
	l, err := conf.Listen(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("listening on %s: %w", address, err)
	}
	return limit(l.(*net.TCPListener), maxConns), nil
}
