package cli

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/daisy-mcast/daisy-mcast/pkg/registry"
)

// registryServeOptions are the flags of `registry serve`.
type registryServeOptions struct {
	store         string
	listen        []string
	tlsListen     []string
	cert, key     string
	identity      string
	insecurePlain bool
	verbose       bool
	accessLog     bool
	logLimit      int64
	fill          bool
	wait          time.Duration
}

// AddFlags declares the flags that fill o.
func (o *registryServeOptions) AddFlags(f *pflag.FlagSet) {
	f.StringVar(&o.store, "store", "", "directory of the store to serve (registry:2's layout)")
	f.StringArrayVar(&o.listen, "listen", nil,
		"IP:port for plain HTTP, loopback only; may be repeated (default "+registry.DefaultListen+" without --tls-listen)")
	f.StringArrayVar(&o.tlsListen, "tls-listen", nil, "IP:port for TLS; may be repeated; needs --cert and --key")
	f.StringVar(&o.cert, "cert", "", "PEM file of the certificate for --tls-listen")
	f.StringVar(&o.key, "key", "", "PEM file of its key; may be the same file")
	f.StringVar(&o.identity, "identity", "", "what this registry calls itself on every answer")
	f.BoolVar(&o.insecurePlain, "insecure-plain", false,
		"allow plain HTTP on addresses that other machines reach; anybody there can change what they pull")
	f.DurationVar(&o.wait, "wait", 0, "wait so long for an address that is in use, by a registry that is about to end")
	f.BoolVar(&o.accessLog, "access-log", false, "write a line for each request")
	f.Int64Var(&o.logLimit, "log-limit", 0,
		"when the standard error is a file, begin it anew beyond so many `BYTES`; 0 is never")
	f.BoolVar(&o.fill, "fill", false, "keep in the store what is fetched from the central registry; the store must be writable")
	f.BoolVarP(&o.verbose, "verbose", "v", false, "write what helps to find a fault, each request among it")
}

func (o *registryServeOptions) check() error {
	switch {
	case o.store == "":
		return usage(errors.New("registry serve: no --store"), "name the directory that holds the images")
	case len(o.tlsListen) > 0 && (o.cert == "" || o.key == ""):
		return usage(errors.New("registry serve: --tls-listen without --cert and --key"), "")
	}
	return nil
}

// newRegistryServeCommand is `registry serve`: the registry in the foreground,
// as a container or a service runs it.
func newRegistryServeCommand(std *streams) *cobra.Command {
	var opts registryServeOptions
	cmd := &cobra.Command{
		Use:   "serve --store DIR",
		Short: "Serve a store as a read-only container registry, in the foreground",
		Long: `Serve a store as a read-only container registry, until SIGINT or SIGTERM.

Images of the store's current set that are not in the store are fetched from
the central registry that distribute wrote down there, checked, and passed on;
nothing else is. Many who ask for the same at once cost the central registry one
fetch. Nothing of it is kept unless --fill says so. The same process can serve plain
HTTP on loopback addresses and TLS on others. /healthz says which set is served,
/metrics counts in Prometheus' text format, and the log goes to the standard error.`,
		Example: `  daisy-mcast registry serve --store /var/lib/daisy-mcast/store
  daisy-mcast registry serve --store DIR --listen 127.0.0.1:4000 \
      --tls-listen 10.20.11.2:4000 --cert server.pem --key server.pem`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return runRegistryServe(cmd.Context(), std, opts)
		},
	}
	opts.AddFlags(cmd.Flags())
	return cmd
}

func runRegistryServe(ctx context.Context, std *streams, opts registryServeOptions) error {
	if err := opts.check(); err != nil {
		return err
	}
	level := slog.LevelInfo
	if opts.verbose {
		level = slog.LevelDebug
	}
	out := bounded(std.Err, opts.logLimit)
	err := registry.Serve(ctx, registry.ServeConfig{
		Store:         opts.store,
		Listen:        opts.listen,
		TLSListen:     opts.tlsListen,
		CertFile:      opts.cert,
		KeyFile:       opts.key,
		InsecurePlain: opts.insecurePlain,
		Wait:          opts.wait,
		AccessLog:     opts.accessLog,
		Fill:          opts.fill,
		Identity:      opts.identity,
		Log:           slog.New(slog.NewTextHandler(out, &slog.HandlerOptions{Level: level})),
		Ready: func(addrs []net.Addr) {
			fmt.Fprintf(out, "registry: serving %s on %s\n", opts.store, joinAddrs(addrs))
		},
	})
	if errors.Is(err, registry.ErrPlain) {
		return usage(err, "use --tls-listen with --cert and --key, or --insecure-plain in a test bed")
	}
	return err
}

func joinAddrs(addrs []net.Addr) string {
	names := make([]string, len(addrs))
	for i, a := range addrs {
		names[i] = a.String()
	}
	return strings.Join(names, ", ")
}
