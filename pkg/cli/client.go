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
	"github.com/spf13/pflag"

	"github.com/daisy-mcast/daisy-mcast/pkg/jasmine"
	"github.com/daisy-mcast/daisy-mcast/pkg/multicast"
)

// clientOptions are the arguments and flags of `client`.
type clientOptions struct {
	config jasmine.ClientConfig
	noSync bool
	quiet  bool
}

// AddFlags declares the flags that fill o.
func (o *clientOptions) AddFlags(f *pflag.FlagSet) {
	f.DurationVar(&o.config.ConnectTimeout, "connect-timeout", jasmine.DefaultConnectTimeout,
		"how long to try to reach the server")
	f.DurationVar(&o.config.SilenceTimeout, "timeout", jasmine.DefaultSilenceTimeout,
		"give up when the server is silent for so long while it sends")
	f.DurationVar(&o.config.RoundTimeout, "wait-timeout", jasmine.DefaultRoundTimeout,
		"give up when the server does not begin, or go on, for so long; negative: never")
	f.BoolVar(&o.noSync, "no-sync", false, "do not wait until the file is on the disk")
	f.BoolVarP(&o.quiet, "quiet", "q", false, "print the result and errors only")
}

// newClientCommand is `client`: Daisy's receiving program.
func newClientCommand(std *streams) *cobra.Command {
	var opts clientOptions
	cmd := &cobra.Command{
		Use:   "client LOCAL_IP SERVER_IP [PORT] > FILE",
		Short: "Receive a stream from a server on Daisy's wire, to standard output",
		Long: `Receive what a server sends to all its clients, in the protocol of OPNFV
Daisy's own multicast programs, whose server can be the sender.

The exit code is 0 only if the whole stream was received and written; a file
is also synced to its disk. A full disk ends the session, and the server is
told nothing that it could take for success.

This wire carries no key and no digest. The client takes packets from the
server's address only, from one port there, and only those that fit what the
server announced over TCP. A forger who spoofs the server's address is outside
what this wire can detect: check the file's digest where that matters.`,
		Example: `  daisy-mcast client 10.20.11.7 10.20.11.2 > kolla.tgz
  daisy-mcast client 10.20.11.7 10.20.11.2 18390 | tar x`,
		Args: argCount(2, 3),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := opts.parse(args); err != nil {
				return usage(fmt.Errorf("client: %w", err), "see 'daisy-mcast client --help'")
			}
			return runClient(cmd.Context(), std, opts)
		},
	}
	opts.AddFlags(cmd.Flags())
	return cmd
}

func (o *clientOptions) parse(args []string) (err error) {
	c := &o.config
	if c.LocalIP, err = parseIPv4("LOCAL_IP", args[0]); err != nil {
		return err
	}
	if _, err := multicast.InterfaceOf(c.LocalIP); err != nil {
		return err
	}
	server, err := parseIPv4("SERVER_IP", args[1])
	if err != nil {
		return err
	}
	port, err := parsePort(args[2:])
	if err != nil {
		return err
	}
	c.Server = netip.AddrPortFrom(server, port)
	if c.ConnectTimeout <= 0 || c.SilenceTimeout <= 0 || c.RoundTimeout == 0 {
		return errors.New("a timeout of 0 leaves no time at all")
	}
	return nil
}

func runClient(ctx context.Context, std *streams, opts clientOptions) error {
	cfg := opts.config
	cfg.Log = humanLog(std.Err, opts.quiet)
	cfg.Finish = func() error { return closeOutput(std.Out, !opts.noSync) }
	client, err := jasmine.NewClient(cfg)
	if err != nil {
		return usage(err, "")
	}
	begun := time.Now()
	stats, err := client.Receive(ctx, std.Out)
	printReceived(std.Err, stats, time.Since(begun))
	var output *jasmine.OutputError
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return &ExitError{Code: ExitInterrupted, Err: errors.New("client: interrupted")}
	case errors.As(err, &output):
		return &ExitError{Code: ExitFailed, Err: fmt.Errorf("client: %w", err),
			Hint: "what was written so far is not complete"}
	default:
		return &ExitError{Code: ExitFailed, Err: fmt.Errorf("client: %w", err), Hint: clientHint(err, cfg)}
	}
}

// clientHint says what to do about err, if there is something.
func clientHint(err error, cfg jasmine.ClientConfig) string {
	switch {
	case errors.Is(err, jasmine.ErrServerClosed):
		return "the server stopped, had begun already, or has as many clients as it expects"
	case errors.Is(err, jasmine.ErrMixed):
		return "give each session at one server its own port"
	case errors.Is(err, jasmine.ErrSilent):
		return fmt.Sprintf("see whether the server at %v still runs", cfg.Server)
	}
	return ""
}

// closeOutput brings a file to its disk and closes it, so that an error which
// shows only then is not lost. A pipe is closed only.
func closeOutput(w io.Writer, sync bool) error {
	f, ok := w.(*os.File)
	if !ok {
		return nil
	}
	info, err := f.Stat()
	if err == nil && sync && info.Mode().IsRegular() {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

func printReceived(w io.Writer, s jasmine.Stats, took time.Duration) {
	fmt.Fprintf(w, "received %d bytes in %v: %d packets, %d lost, %d repaired, %d duplicates, %d foreign, %d misfits, %d buffer overflows\n",
		s.Bytes, took.Round(time.Millisecond), s.Packets, s.Lost, s.Repaired, s.Duplicates, s.Foreign, s.Misfits, s.Overflows)
}
