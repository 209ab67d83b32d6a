package cli

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"text/tabwriter"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/daisy-mcast/daisy-mcast/pkg/engine"
	"github.com/daisy-mcast/daisy-mcast/pkg/launch"
	"github.com/daisy-mcast/daisy-mcast/pkg/registry"
)

func newRegistryCommand(std *streams) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "registry",
		Short: "Run the registry that is inside this program",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(
		newRegistryServeCommand(std),
		newRegistryStartCommand(std),
		newRegistryStopCommand(std),
		newRegistryStatusCommand(std),
		newRegistryVerifyCommand(std),
		newRegistryGCCommand(std),
	)
	return cmd
}

// registrySpecFlags say which registry start, stop and status are about.
type registrySpecFlags struct {
	name, baseDir, mode, engine string
}

func (f *registrySpecFlags) AddFlags(fs *pflag.FlagSet) {
	fs.StringVar(&f.name, "name", launch.DefaultName, "`NAME` of the container or unit")
	fs.StringVar(&f.baseDir, "base-dir", launch.DefaultBaseDir, "our `DIR` on this machine")
	fs.StringVar(&f.mode, "mode", string(launch.Auto), "auto, container, service or process")
	fs.StringVar(&f.engine, "engine", string(engine.Auto), "auto, docker or podman")
}

func (f *registrySpecFlags) spec() (launch.Spec, error) {
	base, err := filepath.Abs(f.baseDir)
	if err != nil {
		return launch.Spec{}, err
	}
	return launch.Spec{
		Name: f.name, BaseDir: base, Mode: launch.Mode(f.mode),
		Engine: engine.Config{Kind: engine.Kind(f.engine)},
	}, nil
}

// registryStartOptions are the flags of registry start.
type registryStartOptions struct {
	registrySpecFlags
	store             string
	listen, tlsListen []string
}

func newRegistryStartCommand(std *streams) *cobra.Command {
	var opt registryStartOptions
	cmd := &cobra.Command{
		Use:   "start",
		Short: "Start the registry as a container, a service or a process, and keep it running",
		Long: `Start the registry over a store and wait until it answers. What runs in the same
way already is kept; an older one is replaced, and comes back if the new one does not
start. With --tls-listen a certificate authority is made in the base directory's tls
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
	fs.StringArrayVar(&opt.tlsListen, "tls-listen", nil, "`IP:PORT` for TLS")
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
		return err
	}
	return writeRegistryStatus(std, outputTable, status)
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

func newRegistryStopCommand(std *streams) *cobra.Command {
	var flags registrySpecFlags
	var purge bool
	cmd := &cobra.Command{
		Use:   "stop",
		Short: "Stop the registry",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			spec, err := flags.spec()
			if err != nil {
				return err
			}
			return launch.Stop(cmd.Context(), spec, purge)
		},
	}
	flags.AddFlags(cmd.Flags())
	cmd.Flags().BoolVar(&purge, "purge", false, "also remove its container, images, unit and pid file; never a store")
	return cmd
}

func newRegistryStatusCommand(std *streams) *cobra.Command {
	var flags registrySpecFlags
	output := outputTable
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Say how the registry runs; exit code 4 when it does not",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			spec, err := flags.spec()
			if err != nil {
				return err
			}
			status, err := launch.Check(cmd.Context(), spec)
			if err != nil {
				return err
			}
			if err := writeRegistryStatus(std, output, status); err != nil {
				return err
			}
			if !status.Running {
				return &ExitError{Code: ExitFailed}
			}
			return nil
		},
	}
	flags.AddFlags(cmd.Flags())
	cmd.Flags().VarP(&output, "output", "o", "the form of the answer")
	return cmd
}

func writeRegistryStatus(std *streams, output outputFormat, s launch.Status) error {
	if output != outputTable {
		return writeAsJSON(std.Out, output, s)
	}
	if !s.Running {
		_, err := fmt.Fprintln(std.Out, "not running")
		return err
	}
	w := tabwriter.NewWriter(std.Out, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "running\tas a %s, pid %d\n", s.Mode, s.PID)
	for _, a := range s.Listening {
		fmt.Fprintf(w, "listens on\t%v\n", a)
	}
	fmt.Fprintf(w, "program\t%s\n", s.Version)
	fmt.Fprintf(w, "after a reboot\t%s\n", map[bool]string{true: "comes back", false: "does not come back"}[s.SurvivesReboot])
	if s.Note != "" {
		fmt.Fprintf(w, "note\t%s\n", s.Note)
	}
	return w.Flush()
}
