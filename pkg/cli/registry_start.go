package cli

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/daisy-mcast/daisy-mcast/pkg/launch"
	"github.com/daisy-mcast/daisy-mcast/pkg/registry"
)

// registryStartOptions are the flags of registry start.
type registryStartOptions struct {
	registrySpecFlags
	store             string
	listen, tlsListen []string
	output            outputFormat
	fill, accessLog   bool
}

func newRegistryStartCommand(std *streams) *cobra.Command {
	opt := registryStartOptions{output: outputTable}
	cmd := &cobra.Command{
		Use:   "start",
		Short: "Start the registry as a container, a service or a process, and keep it running",
		Long: `Start the registry over a store and wait until it answers. What runs in the same
way already is kept; an older one is replaced: it serves until the new one was tried out
beside it and waits for its address, and comes back if the new one does not start. With --tls-listen a certificate authority is made in the base directory's tls
directory, once.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return runRegistryStart(cmd.Context(), std, opt)
		},
	}
	fs := cmd.Flags()
	opt.AddFlags(fs)
	fs.StringVar(&opt.store, "store", "", "the store's `DIR`; default store in the base directory")
	fs.StringArrayVar(&opt.listen, "listen", nil, "`IP:PORT` for plain HTTP, loopback only; default "+registry.DefaultListen)
	fs.BoolVar(&opt.fill, "fill", false, "let it keep in the store what it fetches from the central registry")
	fs.BoolVar(&opt.accessLog, "access-log", false, "let it write a line for each request to its log, which is bounded")
	fs.StringArrayVar(&opt.tlsListen, "tls-listen", nil, "`IP:PORT` for TLS")
	fs.VarP(&opt.output, "output", "o", "the form of the answer")
	return cmd
}

func runRegistryStart(ctx context.Context, std *streams, opt registryStartOptions) error {
	spec, err := opt.spec()
	if err != nil {
		return err
	}
	if opt.store == "" {
		opt.store = filepath.Join(spec.BaseDir, "store")
	}
	if spec.StoreDir, err = filepath.Abs(opt.store); err != nil {
		return err
	}
	if len(opt.listen)+len(opt.tlsListen) == 0 {
		opt.listen = []string{registry.DefaultListen}
	}
	if spec.Listen, err = parseAddrPorts("--listen", opt.listen); err != nil {
		return usage(err, "")
	}
	if spec.TLSListen, err = parseAddrPorts("--tls-listen", opt.tlsListen); err != nil {
		return usage(err, "")
	}
	if info, err := os.Stat(spec.StoreDir); err != nil || !info.IsDir() {
		return usage(fmt.Errorf("--store %s is not a directory", spec.StoreDir), "")
	}
	spec.Fill = opt.fill
	if opt.accessLog {
		spec.Args = append(spec.Args, "--access-log")
	}
	if spec.Program, err = os.Executable(); err != nil {
		return err
	}
	if spec.Identity, err = launch.EnsureIdentity(spec.BaseDir); err != nil {
		return err
	}
	if len(spec.TLSListen) > 0 {
		spec.CertDir = filepath.Join(spec.BaseDir, "tls")
		if _, err := registry.EnsureCertificate(spec.CertDir, addresses(spec.TLSListen)); err != nil {
			return err
		}
	}
	status, err := launch.Start(ctx, spec)
	if err != nil {
		return registryError(err)
	}
	return writeRegistryStatus(std, opt.output, registryStatusAnswer{Status: status, Set: servedSet(spec.StoreDir)})
}

func parseAddrPorts(flag string, given []string) ([]netip.AddrPort, error) {
	var out []netip.AddrPort
	for _, text := range given {
		a, err := netip.ParseAddrPort(text)
		if err != nil {
			return nil, fmt.Errorf("%s %q: want IP:PORT", flag, text)
		}
		out = append(out, a)
	}
	return out, nil
}

func addresses(ports []netip.AddrPort) []netip.Addr {
	var out []netip.Addr
	for _, p := range ports {
		out = append(out, p.Addr())
	}
	return out
}
