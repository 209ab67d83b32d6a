package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"strconv"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/daisy-mcast/daisy-mcast/pkg/jasmine"
	"github.com/daisy-mcast/daisy-mcast/pkg/multicast"
)

// serverOptions are the arguments and flags of `server`.
type serverOptions struct {
	config    jasmine.ServerConfig
	group     string
	onMissing string
	maxRate   bitRate
	quiet     bool
}

// AddFlags declares the flags that fill o.
func (o *serverOptions) AddFlags(f *pflag.FlagSet) {
	f.StringVar(&o.group, "group", jasmine.DefaultGroup().String(), "multicast group")
	f.IntVar(&o.config.TTL, "ttl", jasmine.DefaultTTL, "hops that the datagrams may take")
	f.StringVar(&o.config.Interface, "interface", "", "interface to send from (default the one with LOCAL_IP)")
	f.DurationVar(&o.config.JoinTimeout, "join-timeout", jasmine.DefaultJoinTimeout,
		"how long to wait for the clients; negative: for ever")
	f.StringVar(&o.onMissing, "on-missing", "start", "when clients are missing then: start without them, or fail")
	f.DurationVar(&o.config.ClientTimeout, "client-timeout", jasmine.DefaultClientTimeout,
		"drop a client that is silent for so long when it is its turn")
	f.DurationVar(&o.config.MaxLag, "max-lag", 0,
		"drop a client that held up the others for so long in all; negative: never (default the client timeout)")
	f.Var(&o.maxRate, "max-rate", "send no faster, in bits a second: 900M, 1G (default no bound)")
	f.BoolVarP(&o.quiet, "quiet", "q", false, "print the result and errors only")
}

// newServerCommand is `server`: Daisy's sending program.
func newServerCommand(std *streams) *cobra.Command {
	var opts serverOptions
	cmd := &cobra.Command{
		Use:   "server LOCAL_IP NUMBER_OF_CLIENTS [PORT] < FILE",
		Short: "Send standard input to many clients at once, on Daisy's wire",
		Long: `Send standard input to NUMBER_OF_CLIENTS clients at once, in the protocol of
OPNFV Daisy's own multicast programs, whose clients can take part.

The server waits until all clients have joined. One that stalls, leaves or
breaks the protocol is dropped and the others go on. PORT is that of TCP and
UDP both. What became of each client is printed on standard error; the exit
code is 0 only if all have the whole stream, and 4 if some have not.`,
		Example: `  daisy-mcast server 10.20.11.2 16 < kolla.tgz
  tar c images | daisy-mcast server --max-rate 900M 10.20.11.2 16 18390`,
		Args: argCount(2, 3),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := opts.parse(args); err != nil {
				return usage(fmt.Errorf("server: %w", err), "see 'daisy-mcast server --help'")
			}
			return runServer(cmd.Context(), std, opts)
		},
	}
	opts.AddFlags(cmd.Flags())
	return cmd
}

// argCount is cobra.RangeArgs as an error of usage.
func argCount(min, max int) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if err := cobra.RangeArgs(min, max)(cmd, args); err != nil {
			return usage(fmt.Errorf("%s: %w", cmd.Name(), err), "usage: "+cmd.UseLine())
		}
		return nil
	}
}

func (o *serverOptions) parse(args []string) (err error) {
	c := &o.config
	if c.LocalIP, err = parseIPv4("LOCAL_IP", args[0]); err != nil {
		return err
	}
	if c.Clients, err = strconv.Atoi(args[1]); err != nil || c.Clients < 1 || c.Clients > 10000 {
		return fmt.Errorf("NUMBER_OF_CLIENTS %q is not a number from 1 to 10000", args[1])
	}
	if c.Port, err = parsePort(args[2:]); err != nil {
		return err
	}
	if c.Group, err = parseIPv4("--group", o.group); err != nil {
		return err
	}
	if !c.Group.IsMulticast() {
		return fmt.Errorf("--group %v is not a multicast address", c.Group)
	}
	if c.TTL < 1 || c.TTL > 255 {
		return fmt.Errorf("--ttl %d is not from 1 to 255", c.TTL)
	}
	switch o.onMissing {
	case "start":
		c.OnMissing = jasmine.OnMissingStart
	case "fail":
		c.OnMissing = jasmine.OnMissingFail
	default:
		return fmt.Errorf("--on-missing %q is neither start nor fail", o.onMissing)
	}
	if c.ClientTimeout <= 0 {
		return errors.New("--client-timeout must be more than 0")
	}
	c.MaxRate = int64(o.maxRate)
	if c.Interface == "" {
		_, err = multicast.InterfaceOf(c.LocalIP)
	} else if _, err = net.InterfaceByName(c.Interface); err != nil {
		err = fmt.Errorf("interface %s: %w", c.Interface, err)
	}
	return err
}

func parseIPv4(name, s string) (netip.Addr, error) {
	addr, err := netip.ParseAddr(s)
	if err != nil || !addr.Is4() {
		return netip.Addr{}, fmt.Errorf("%s %q is not an IPv4 address", name, s)
	}
	return addr, nil
}

// parsePort reads an optional last argument.
func parsePort(args []string) (uint16, error) {
	if len(args) == 0 {
		return jasmine.DefaultPort, nil
	}
	n, err := strconv.ParseUint(args[0], 10, 16)
	if err != nil || n == 0 {
		return 0, fmt.Errorf("PORT %q is not a number from 1 to 65535", args[0])
	}
	return uint16(n), nil
}

func runServer(ctx context.Context, std *streams, opts serverOptions) error {
	cfg := opts.config
	cfg.Log = humanLog(std.Err, opts.quiet)
	server, err := jasmine.NewServer(cfg)
	if err != nil {
		return usage(err, "")
	}
	var lc net.ListenConfig
	address := netip.AddrPortFrom(cfg.LocalIP, cfg.Port)
	ln, err := lc.Listen(ctx, "tcp4", address.String())
	if err != nil {
		return usage(fmt.Errorf("server: %w", err), listenHint(err, "LOCAL_IP must be an address of this host, and PORT free", address))
	}
	begun := time.Now()
	result, err := server.Serve(ctx, ln, std.In)
	printServed(std.Err, result, time.Since(begun), err == nil)
	switch {
	case err != nil && ctx.Err() != nil:
		return &ExitError{Code: ExitInterrupted, Err: errors.New("server: interrupted")}
	case errors.Is(err, jasmine.ErrNoClients), errors.Is(err, jasmine.ErrMissing):
		return &ExitError{Code: ExitFailed, Err: err}
	case err != nil:
		return err
	case !result.Complete():
		return &ExitError{Code: ExitFailed, Err: fmt.Errorf("server: %d of %d clients have the stream",
			result.Done(), result.Expected)}
	}
	return nil
}

// printServed prints a line for each client that did not make it, and the
// result.
func printServed(w io.Writer, r jasmine.Result, took time.Duration, ended bool) {
	for _, c := range r.Clients {
		if c.State != jasmine.Done {
			fmt.Fprintf(w, "%v: %v: %s\n", c.Addr, c.State, c.Reason)
		}
	}
	how := "sent"
	if !ended {
		how = "stopped after"
	}
	fmt.Fprintf(w, "%s %d bytes in %v: %d of %d clients done, %d dropped, %d refused; %d packets, %d re-sent\n",
		how, r.Bytes, took.Round(time.Millisecond), r.Done(), r.Expected, r.Dropped(), r.Refused(), r.Packets, r.Resent)
}

// humanLog logs in lines that a person reads, without the time.
func humanLog(w io.Writer, quiet bool) *slog.Logger {
	level := slog.LevelInfo
	if quiet {
		level = slog.LevelError
	}
	return slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{
		Level: level,
		ReplaceAttr: func(groups []string, a slog.Attr) slog.Attr {
			if a.Key == slog.TimeKey && len(groups) == 0 {
				return slog.Attr{}
			}
			return a
		},
	}))
}
