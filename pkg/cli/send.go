package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"golang.org/x/sys/unix"

	"github.com/daisy-mcast/daisy-mcast/pkg/atomicfile"
	"github.com/daisy-mcast/daisy-mcast/pkg/deploy"
	"github.com/daisy-mcast/daisy-mcast/pkg/launch"
	"github.com/daisy-mcast/daisy-mcast/pkg/multicast"
	"github.com/daisy-mcast/daisy-mcast/pkg/pace"
	"github.com/daisy-mcast/daisy-mcast/pkg/progress"
	"github.com/daisy-mcast/daisy-mcast/pkg/transfer"
	"github.com/daisy-mcast/daisy-mcast/pkg/wire"
)

// sendOptions are the arguments and flags of `send`.
type sendOptions struct {
	slowFlags
	progressFlag
	config    transfer.SendConfig
	localIP   string
	group     string
	port      uint16
	maxRate   bitRate
	timeout   time.Duration
	tokenFile string
	report    string
	quiet     bool
}

// errSendDeadline is the cause of what --timeout cut short.
var errSendDeadline = errors.New("the sending's deadline is over (--timeout)")

// AddFlags declares the flags that fill o.
func (o *sendOptions) AddFlags(f *pflag.FlagSet) {
	f.StringVar(&o.localIP, "local-ip", "", "the `IP` of this host that receivers reach; its interface is the one to send from")
	f.IntVar(&o.config.Receivers, "receivers", 0, "how many receivers to wait for")
	f.StringVar(&o.tokenFile, "token-file", "", "write the token to `FILE`, for its owner only, in place of standard output")
	f.StringVar(&o.group, "group", transfer.DefaultGroup().String(), "the multicast `ADDRESS`")
	f.Uint16Var(&o.port, "port", transfer.DefaultPort, "the port, TCP and UDP")
	f.IntVar(&o.config.TTL, "ttl", 1, "how many routers the multicast may pass, plus one")
	f.Var(&o.maxRate, "max-rate", "send no faster, in bits a second: 900M, 1G (default: what the network takes)")
	f.DurationVar(&o.config.JoinTimeout, "join-timeout", transfer.DefaultJoinTimeout,
		"how long to wait for the receivers, before those are served that are there")
	f.DurationVar(&o.timeout, "timeout", 0,
		"end the sending then, whoever has not all; default 10m, --join-timeout and a file at 50 Mb/s (half of --max-rate where that is less), none for a stream")
	o.slowFlags.AddFlags(f)
	o.progressFlag.AddFlags(f)
	f.StringVar(&o.report, "report", "", "write what became of each receiver as JSON to `FILE`")
	f.BoolVarP(&o.quiet, "quiet", "q", false, "print the token, the result and errors only")
}

// newSendCommand is `send`: any file or stream, to many hosts at once.
func newSendCommand(std *streams) *cobra.Command {
	var opts sendOptions
	cmd := &cobra.Command{
		Use:   "send --local-ip IP --receivers N [FILE|-]",
		Short: "Send a file or stream to many hosts at once, encrypted, over the native protocol",
		Long: `Send FILE, or standard input, to N hosts at once that run 'receive'.

A token is printed first: one line that the receivers have to be given, by ssh
or by hand. It is a secret, and of use for this sending only.

A file can be read again: receivers that come late or lose much get what they
miss. Of a stream only a window is kept, and a receiver that falls out of it is
given up. What became of each receiver is told on standard error, and by --report
as JSON. A receiver that holds up the others is served after them, see
--slow-hosts; one that comes back, or late, gets what it misses. The sending of a
file has an end, see --timeout: what is verified on a receiver by then stays there.

The exit code is 0 only if all have every byte, verified; 2 if nothing was begun, 4
if some have not, 130 after an interrupt.`,
		Example: `  daisy-mcast send --local-ip 10.20.11.2 --receivers 16 --token-file token kolla.tgz
  tar c images | daisy-mcast send --local-ip 10.20.11.2 --receivers 2 --max-rate 900M`,
		Args: argCount(0, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := opts.parse(); err != nil {
				return usage(fmt.Errorf("send: %w", err), "see 'daisy-mcast send --help'")
			}
			return runSend(cmd.Context(), std, opts, args)
		},
	}
	opts.AddFlags(cmd.Flags())
	return cmd
}

func (o *sendOptions) parse() (err error) {
	c := &o.config
	if c.LocalIP, err = parseLocalIP(o.localIP); err != nil {
		return err
	}
	group, err := parseIPv4("--group", o.group)
	if err != nil {
		return err
	}
	c.Group = netip.AddrPortFrom(group, o.port)
	if err := multicast.CheckGroup(c.Group); err != nil {
		return fmt.Errorf("--group and --port: %w", err)
	}
	c.MaxRate, c.MinRate = pace.Rate(o.maxRate)/8, pace.Rate(o.minRate)/8
	c.Quorum, c.DSCP = o.quorum, o.dscp
	if c.Slow, err = o.slowFlags.check(c.Receivers); err != nil && c.Receivers > 0 {
		return err
	}
	if o.quiet {
		o.progressFlag.mode = string(progress.None)
	}
	switch {
	case c.Receivers < 1 || c.Receivers > 10000:
		return fmt.Errorf("--receivers %d is not from 1 to 10000", c.Receivers)
	case c.TTL < 1 || c.TTL > 255:
		return fmt.Errorf("--ttl %d is not from 1 to 255", c.TTL)
	case c.JoinTimeout <= 0:
		return errors.New("--join-timeout must be more than 0")
	case o.timeout < 0:
		return errors.New("--timeout must not be negative")
	}
	return checkReport(o.report)
}

// deadline returns how long the sending of src may take; 0 is for ever: nobody knows
// how long a stream is.
func (o *sendOptions) deadline(src transfer.Source) time.Duration {
	if o.timeout > 0 || src.Again == nil {
		return o.timeout
	}
	rate := float64(deploy.TimeoutRate)
	if most := float64(o.config.MaxRate) / 2; most > 0 {
		rate = min(rate, most)
	}
	return deploy.TimeoutBase + o.config.JoinTimeout + time.Duration(float64(src.Size)/rate*float64(time.Second))
}

// parseLocalIP reads --local-ip, which must be an address of this host.
func parseLocalIP(s string) (netip.Addr, error) {
	if s == "" {
		return netip.Addr{}, errors.New("--local-ip is needed: which network to use")
	}
	addr, err := parseIPv4("--local-ip", s)
	if err != nil {
		return addr, err
	}
	_, err = multicast.InterfaceOf(addr)
	return addr, err
}

func runSend(ctx context.Context, std *streams, opts sendOptions, args []string) error {
	src, closeSource, err := openSource(ctx, std, args)
	if err != nil {
		return usage(fmt.Errorf("send: %w", err), "")
	}
	defer closeSource()
	cfg := opts.config
	if cfg.Identity, err = transfer.NewIdentity(); err != nil {
		return err
	}
	address := netip.AddrPortFrom(cfg.LocalIP, opts.port)
	token, err := transfer.NewToken(address, cfg.Identity.Pin())
	if err != nil {
		return usage(err, "")
	}
	cfg.Secret = token.Secret
	if err := transfer.CheckFiles(opts.config.Receivers); err != nil {
		return usage(fmt.Errorf("send: %w", err), "")
	}
	var lc net.ListenConfig
	ln, err := lc.Listen(ctx, "tcp4", address.String())
	if err != nil {
		return usage(fmt.Errorf("send: %w", err), listenHint(err, "--local-ip must be an address of this host, and --port free", address))
	}
	if err := writeToken(std.Out, opts.tokenFile, token); err != nil {
		ln.Close()
		return usage(fmt.Errorf("send: %w", err), "")
	}
	view, err := opts.progressFlag.open(std, 1)
	if err != nil {
		ln.Close()
		return err
	}
	defer view.close()
	tell := view.begin("send")
	cfg.Log, cfg.Progress = humanLog(view.log(), opts.quiet), func(done int64) { tell(done, src.Size) }
	result, err := sendUntil(ctx, opts.deadline(src), cfg, ln, src)
	if err != nil && len(result.Hosts) == 0 {
		hint := "" // nothing was begun
		if errors.Is(err, unix.ENETUNREACH) {
			hint = "see that the interface of --local-ip is up"
		}
		return usage(fmt.Errorf("send: %w", err), hint)
	}
	printSent(view.log(), result)
	view.close()
	if werr := writeSendReport(opts.report, result, err); werr != nil {
		fmt.Fprintf(std.Err, "daisy-mcast: writing the report: %v\n", werr)
	}
	switch {
	case err != nil && ctx.Err() != nil:
		return &ExitError{Code: ExitInterrupted, Err: errors.New("send: interrupted")}
	case errors.Is(err, transfer.ErrNobody):
		return &ExitError{Code: ExitFailed, Err: fmt.Errorf("send: %w", err),
			Hint: fmt.Sprintf("run 'daisy-mcast receive' with the token on the receivers, within --join-timeout; they need TCP port %d of this host", opts.port)}
	case errors.Is(err, transfer.ErrQuorum), errors.Is(err, transfer.ErrSource), errors.Is(err, errSendDeadline):
		return &ExitError{Code: ExitFailed, Err: fmt.Errorf("send: %w", err)}
	case err != nil:
		return err
	case result.Done() < len(result.Hosts):
		return &ExitError{Code: ExitFailed, Err: fmt.Errorf("send: %d of %d receivers have the stream",
			result.Done(), len(result.Hosts))}
	}
	return nil
}

// listenHint adds to a hint who listens at an address already, if it can be seen.
func listenHint(err error, hint string, address netip.AddrPort) string {
	if !errors.Is(err, unix.EADDRINUSE) {
		return hint
	}
	if other, err := launch.Listener(address); err == nil && other.PID != 0 {
		hint += fmt.Sprintf("; the port is taken by process %d (%s)", other.PID, strings.TrimSpace(other.Command))
	}
	return hint
}

// sendUntil sends, no longer than limit if that is not 0.
func sendUntil(ctx context.Context, limit time.Duration, cfg transfer.SendConfig, ln net.Listener, src transfer.Source) (transfer.SendResult, error) {
	if limit > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, limit, errSendDeadline)
		defer cancel()
	}
	return transfer.Send(ctx, cfg, ln, src)
}

// openSource opens what is to be sent: a file that can be read again, or a
// stream.
func openSource(ctx context.Context, std *streams, args []string) (src transfer.Source, closeSource func(), err error) {
	in := std.In
	closeSource = func() {}
	if len(args) == 1 && args[0] != "-" {
		f, err := unlessDone(ctx, func() (*os.File, error) { return os.Open(args[0]) })
		if err != nil {
			return src, nil, err
		}
		in, closeSource = f, func() { f.Close() }
	}
	if f, ok := in.(*os.File); ok {
		info, err := f.Stat()
		if err != nil {
			closeSource()
			return src, nil, err
		}
		if info.IsDir() {
			closeSource()
			return src, nil, fmt.Errorf("%s is a directory: send an archive of it, by tar c %[1]s | daisy-mcast send ...", f.Name())
		}
		// What says to have no bytes may have some, as in /proc.
		if at, err := f.Seek(0, io.SeekCurrent); err == nil && info.Mode().IsRegular() && info.Size() > at {
			return transfer.FileSource(io.NewSectionReader(f, at, math.MaxInt64-at), info.Size()-at), closeSource, nil
		}
	}
	return transfer.StreamSource(in), closeSource, nil
}

// writeToken prints the token, or writes it to a file of its own that is there
// whole or not at all.
func writeToken(out io.Writer, file string, token transfer.Token) error {
	if file == "" {
		_, err := fmt.Fprintln(out, token.Text())
		return err
	}
	if err := atomicfile.Put(file, []byte(token.Text()+"\n"), 0o600); err != nil {
		return fmt.Errorf("keeping the token: %w", err)
	}
	return nil
}

// printSent prints a line for each receiver about which there is something to
// say, and the result.
func printSent(w io.Writer, r transfer.SendResult) {
	missing := 0
	for _, h := range r.Hosts {
		switch {
		case !h.Done && !h.Addr.IsValid():
			missing++
		case !h.Done:
			fmt.Fprintf(w, "%s: %s\n", h.Name, because(h.Reason, h.Text))
		case h.Detached != 0:
			fmt.Fprintf(w, "%s: done, after the others: %v\n", h.Name, h.Detached)
		}
	}
	if missing > 0 {
		fmt.Fprintf(w, "%d of %d receivers did not join\n", missing, len(r.Hosts))
	}
	fmt.Fprintf(w, "sent %d bytes in %v%s: %d of %d receivers done; %d packets, of which %d parity and %d again; %d to single hosts, %d not let out; last pace %v\n",
		r.Size, r.Elapsed.Round(time.Millisecond), rateText(r.Size, r.Elapsed), r.Done(), len(r.Hosts),
		r.Packets, r.Parity, r.Repeated, r.Repairs, r.Unsent, r.Rate)
}

func because(r wire.Reason, text string) string {
	if text == "" {
		return r.String()
	}
	return fmt.Sprintf("%v: %s", r, text)
}

// rateText is the rate of the stream's own bytes.
func rateText(size int64, took time.Duration) string {
	if size == 0 || took <= 0 {
		return ""
	}
	return " (" + strconv.FormatFloat(float64(size)*8/took.Seconds()/1e6, 'f', 1, 64) + " Mb/s)"
}
