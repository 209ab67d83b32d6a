package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/daisy-mcast/daisy-mcast/pkg/deploy"
	"github.com/daisy-mcast/daisy-mcast/pkg/imageset"
	"github.com/daisy-mcast/daisy-mcast/pkg/progress"
	"github.com/daisy-mcast/daisy-mcast/pkg/remote"
	"github.com/daisy-mcast/daisy-mcast/pkg/remote/local"
)

// distributeOptions are the flags of distribute.
type distributeOptions struct {
	hostFlags
	sshFlags
	carrierFlags
	registryFlags
	preloadFlags
	kollaFlags
	sourceFlags

	localIP    string
	sender     string
	baseDir    string
	programDir string
	deployment string
	timeout    time.Duration
	progress   string
	report     string
	output     outputFormat
	dryRun     bool

	list []byte // what --hosts - read
}

func newDistributeCommand(std *streams) *cobra.Command {
	opt := distributeOptions{output: outputTable}
	cmd := &cobra.Command{
		Use:   "distribute --dha deploy.yml [--network network.yml] [BUNDLE]",
		Short: "Send a bundle's images to all hosts once and serve them on every host",
		Long: `Read Daisy's files or a host list, connect to every host over SSH, send what some
host lacks of the bundle once by multicast, and run on every host a registry on
127.0.0.1:4000 that serves it. A host that cannot get the images that way leans on
the central registry on this machine; the table and the report say which, and why.

BUNDLE is a registry storage tarball such as Daisy's kolla-image*.tgz, or such a
directory; what docker save or podman save wrote; an OCI layout, a directory or a
tar;` + liveSources + `.
Without it, the only one in ` + imageset.DefaultDir + `.

Exit codes: 0 every host serves the images itself; 2 bad input or no way to the
hosts, nothing changed there; 3 some hosts lean on the central registry; 4 some host
failed, or its engine has not got the images that --preload asked for; 130
interrupted.`,
		Example: `  daisy-mcast distribute --dha deploy.yml --network network.yml kolla-image-queens.tgz
  daisy-mcast distribute --hosts hosts.yml --globals-dir /etc/kolla/globals.d bundle.tgz
  ansible-inventory ... | daisy-mcast distribute --hosts - --report report.json bundle.tgz`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				args = []string{""}
			}
			return runDistribute(cmd.Context(), std, opt, args[0])
		},
	}
	fs := cmd.Flags()
	opt.hostFlags.AddFlags(fs)
	opt.sshFlags.AddFlags(fs)
	opt.carrierFlags.AddFlags(fs)
	opt.registryFlags.AddFlags(fs)
	opt.preloadFlags.AddFlags(fs)
	opt.kollaFlags.AddFlags(fs)
	opt.sourceFlags.AddFlags(fs)
	fs.StringVar(&opt.localIP, "local-ip", "", "the sender's `ADDRESS` towards the hosts; default: the one inside MANAGEMENT, else the route's")
	fs.StringVar(&opt.sender, "sender", "", "`HOST` of the list that sends and runs the central registry, instead of this machine")
	fs.StringVar(&opt.baseDir, "base-dir", remote.DefaultBaseDir, "our `DIR` on every host and here")
	fs.StringVar(&opt.programDir, "program-dir", "", "`DIR` with daisy-mcast-linux-ARCH for hosts of other architectures")
	fs.StringVar(&opt.deployment, "deployment", "", "`NAME` that keeps this cloud apart from another one served from here: store, registry, ports, group")
	fs.DurationVar(&opt.timeout, "timeout", 0, "deadline of the run; default 10m and the payload at 50 Mb/s")
	fs.StringVar(&opt.progress, "progress", "auto", "auto, tty, plain, json or none")
	fs.StringVar(&opt.report, "report", "", "write the report as JSON to `FILE`")
	fs.VarP(&opt.output, "output", "o", "the form of the result on standard output")
	fs.BoolVar(&opt.dryRun, "dry-run", false, "say what would be done, and contact nothing")
	return cmd
}

func runDistribute(ctx context.Context, std *streams, opt distributeOptions, bundle string) error {
	if err := noCoreFiles(); err != nil {
		return err
	}
	if opt.hostFlags.hosts == "-" {
		list, err := unlessDone(ctx, func() ([]byte, error) { return io.ReadAll(io.LimitReader(std.In, maxListInput)) })
		if err != nil {
			return usage(fmt.Errorf("reading the host list: %w", err), "")
		}
		opt.list = list
	}
	set, err := opt.load(ctx, opt.listStreams(std))
	if err != nil {
		return err
	}
	cfg, err := opt.config(ctx, std, set, bundle)
	if err != nil {
		return usage(err, imageset.Advice(err))
	}
	if opt.dryRun {
		printWarnings(std, set.Warnings)
		return printPlan(std, cfg)
	}
	mode, err := progress.ParseMode(opt.progress)
	if err != nil {
		return usage(err, "")
	}
	view := openProgress(std, mode)
	for _, w := range set.Warnings {
		view.Event(progress.Event{Kind: progress.Warning, Message: w})
	}
	cfg.Progress = view
	rep, err := deploy.Run(ctx, cfg)
	_ = view.Close() // an output that is gone does not change what was done (fault 76)
	if werr := writeReport(std, opt, rep); werr != nil {
		fmt.Fprintf(std.Err, "daisy-mcast: writing the report: %v\n", werr)
	}
	return distributeExit(rep, err)
}

// openProgress shows a run on standard error.
func openProgress(std *streams, mode progress.Mode) *progress.Display {
	if f, ok := std.Err.(*os.File); ok {
		return progress.New(progress.ForFile(mode, f, os.Getenv))
	}
	return progress.New(progress.Config{Mode: mode, Out: std.Err})
}

// config makes the run's configuration of the flags.
func (o *distributeOptions) config(ctx context.Context, std *streams, set *hostSet, bundle string) (deploy.Config, error) {
	cfg := deploy.Config{
		BaseDir:  o.baseDir,
		Programs: newPrograms(o.programDir).forArch,
		Sender:   deploy.Host{Name: "this machine", Remote: local.New("this machine"), Become: o.localBecome()},
		Timeout:  o.timeout,
		Bundle:   bundle,
	}
	if o.timeout < 0 {
		return cfg, errors.New("--timeout must not be negative")
	}
	if err := checkReport(o.report); err != nil {
		return cfg, err
	}
	var err error
	if err := o.sourceFlags.apply(ctx, &cfg, bundle, o.sender != ""); err != nil {
		return cfg, err
	}
	if o.localIP != "" {
		if cfg.LocalIP, err = netip.ParseAddr(o.localIP); err != nil || !cfg.LocalIP.Is4() {
			return cfg, fmt.Errorf("--local-ip %q is not an IPv4 address", o.localIP)
		}
	}
	if cfg.Hosts, err = o.sshFlags.hosts(ctx, std, set); err != nil {
		return cfg, err
	}
	cfg.Sender.BecomePassword = o.becomePassword
	if set.Targets != nil {
		pairWith(&cfg, set)
	}
	d, err := newDeployment(o.deployment)
	if err != nil {
		return cfg, err
	}
	if o.sender != "" {
		if cfg.Sender, err = o.findSender(ctx, std, cfg.Hosts); err != nil {
			return cfg, err
		}
		cfg.SenderElsewhere = true
	}
	d.apply(&cfg)
	for _, add := range []func(*deploy.Config, deployment) error{o.carrierFlags.apply, o.registryFlags.apply, o.preloadFlags.apply, o.kollaFlags.apply} {
		if err := add(&cfg, d); err != nil {
			return cfg, err
		}
	}
	cfg.Partial = cfg.Partial || len(o.limit) > 0
	return cfg, nil
}

func printPlan(std *streams, cfg deploy.Config) error {
	fmt.Fprintf(std.Out, "bundle %s\nprotocol %s, group %v, port %d\n", cfg.Bundle,
		cfg.Carrier.Protocol, cfg.Carrier.Group, cfg.Carrier.Sender.Port())
	if cfg.CentralIs != nil {
		fmt.Fprintf(std.Out, "central registry %s\n", cfg.CentralIs.URL)
	} else {
		fmt.Fprintf(std.Out, "central registry on port %d of the sender (%s)\n", cfg.Central.Port(), cfg.Sender.Name)
	}
	if cfg.GlobalsDir != "" {
		fmt.Fprintf(std.Out, "Kolla's drop-in in %s, fallback %s\n", cfg.GlobalsDir, cfg.Fallback)
	}
	fmt.Fprintf(std.Out, "%d hosts:\n", len(cfg.Hosts))
	for _, h := range cfg.Hosts {
		name := h.Name
		if name == "" {
			name = "-"
		}
		address := "-"
		if h.Address.IsValid() {
			address = h.Address.String()
		}
		fmt.Fprintf(std.Out, "  %s %s\n", name, address)
	}
	return nil
}
