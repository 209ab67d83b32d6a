package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"golang.org/x/term"

	"github.com/daisy-mcast/daisy-mcast/pkg/progress"
	"github.com/daisy-mcast/daisy-mcast/pkg/transfer"
	"github.com/daisy-mcast/daisy-mcast/pkg/wire"
)

// maxTokenLine bounds what is read in search of a token.
const maxTokenLine = 4096

// receiveOptions are the flags of `receive`.
type receiveOptions struct {
	progressFlag
	config    transfer.ReceiveConfig
	localIP   string
	tokenFile string
	out       string
	quiet     bool
}

// AddFlags declares the flags that fill o.
func (o *receiveOptions) AddFlags(f *pflag.FlagSet) {
	f.StringVar(&o.localIP, "local-ip", "", "the `IP` of this host by which it reaches the sender; its interface is the one to listen on")
	f.StringVar(&o.tokenFile, "token-file", "", "read the sender's token from `FILE`, or - for standard input (default: ask for it)")
	f.StringVar(&o.out, "out", "-", "write to `FILE`, or - for standard output")
	f.DurationVar(&o.config.ConnectTimeout, "connect-timeout", transfer.DefaultJoinTimeout,
		"how long to try to reach the sender")
	o.progressFlag.AddFlags(f)
	f.BoolVarP(&o.quiet, "quiet", "q", false, "print the result and errors only")
}

// newReceiveCommand is `receive`: the other end of `send`.
func newReceiveCommand(std *streams) *cobra.Command {
	var opts receiveOptions
	cmd := &cobra.Command{
		Use:   "receive --local-ip IP [--token-file FILE|-] [--out FILE|-]",
		Short: "Receive what 'send' sends",
		Long: `Receive what a sender sends to all its receivers, to FILE or to standard output.

The token that the sender printed comes from a file, from standard input or from
a prompt; never from the command line, which every user of this host can read.

Every byte is verified before it is written. FILE appears when it is complete
and on its disk. If it does not come so far, what is verified stays in FILE.part,
with a journal of it in FILE.part.journal; the next receive of the same content to
FILE, with that sender's token, asks for the rest only. What was kept is read and
verified again first.

The exit code is 0 if all is here, verified; 2 if nothing was begun, 4 if it failed,
130 if it was interrupted.`,
		Example: `  daisy-mcast receive --local-ip 10.20.11.7 --token-file token --out kolla.tgz
  ssh deploy cat token | daisy-mcast receive --local-ip 10.20.11.7 --token-file - | tar x`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 0 { // not to be repeated: it may be a token
				return usage(errors.New("receive: there are no arguments, and the token never is one"), "give it by --token-file FILE, or - for standard input, or at the prompt")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := opts.parse(cmd.Context(), std); err != nil {
				return usage(fmt.Errorf("receive: %w", err), "see 'daisy-mcast receive --help'")
			}
			return runReceive(cmd.Context(), std, opts)
		},
	}
	opts.AddFlags(cmd.Flags())
	return cmd
}

func (o *receiveOptions) parse(ctx context.Context, std *streams) (err error) {
	c := &o.config
	if c.LocalIP, err = parseLocalIP(o.localIP); err != nil {
		return err
	}
	if c.ConnectTimeout <= 0 {
		return errors.New("--connect-timeout must be more than 0")
	}
	if o.quiet {
		o.progressFlag.mode = string(progress.None)
	}
	if o.out == "" {
		return errors.New("--out is empty: want a file, or - for standard output")
	}
	text, err := readToken(ctx, std, o.tokenFile)
	if err != nil {
		return err
	}
	token, err := transfer.ParseToken(text)
	if err != nil {
		return err
	}
	c.Sender, c.Pin, c.Secret = token.Sender, token.Pin, token.Secret
	return nil
}

// readToken reads a line from a file, standard input or a terminal.
func readToken(ctx context.Context, std *streams, file string) (string, error) {
	if file == "" {
		return askToken(ctx, std)
	}
	return unlessDone(ctx, func() (string, error) {
		if file == "-" {
			return readTokenLine(std.In)
		}
		f, err := os.Open(file)
		if err != nil {
			return "", fmt.Errorf("reading the token: %w", err)
		}
		defer f.Close()
		return readTokenLine(f)
	})
}

func readTokenLine(r io.Reader) (string, error) {
	line, err := bufio.NewReader(io.LimitReader(r, maxTokenLine)).ReadString('\n')
	if err != nil && err != io.EOF {
		return "", fmt.Errorf("reading the token: %w", err)
	}
	return strings.TrimSpace(line), nil
}

// askToken prompts for the token, which is not shown.
func askToken(ctx context.Context, std *streams) (string, error) {
	f, ok := std.In.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return "", errors.New("there is no terminal to ask for the token: --token-file FILE, or - for standard input")
	}
	fd := int(f.Fd())
	before, err := term.GetState(fd)
	if err != nil {
		return "", fmt.Errorf("asking for the token: %w", err)
	}
	defer term.Restore(fd, before) // for when ReadPassword is left waiting
	fmt.Fprint(std.Err, "token: ")
	text, err := unlessDone(ctx, func() ([]byte, error) { return term.ReadPassword(fd) })
	fmt.Fprintln(std.Err)
	if err != nil {
		return "", fmt.Errorf("reading the token: %w", err)
	}
	return string(text), nil
}

func runReceive(ctx context.Context, std *streams, opts receiveOptions) error {
	view, err := opts.progressFlag.open(std, 1)
	if err != nil {
		return err
	}
	defer view.close()
	out, err := openOutput(ctx, std.Out, opts.out)
	if err != nil {
		return usage(fmt.Errorf("receive: %w", err), "")
	}
	defer out.close()
	cfg := opts.config
	cfg.Log, cfg.Progress = humanLog(view.log(), opts.quiet), view.begin("receive")
	cfg.Finish = out.finish
	if cfg.Identity, err = transfer.NewIdentity(); err != nil {
		return err
	}
	begun := time.Now()
	result, err := transfer.Receive(ctx, cfg, out.sink)
	if err == nil || result.Size > 0 {
		printReceivedNative(view.log(), result, time.Since(begun))
	}
	view.close()
	if err == nil {
		return nil
	}
	hint := ""
	if ctx.Err() == nil {
		hint = receiveHint(err)
	}
	if kept := out.abandon(); kept != "" {
		hint = strings.TrimPrefix(hint+"; "+kept, "; ")
	}
	if ctx.Err() != nil {
		return &ExitError{Code: ExitInterrupted, Err: errors.New("receive: interrupted"), Hint: hint}
	}
	return &ExitError{Code: ExitFailed, Err: fmt.Errorf("receive: %w", err), Hint: hint}
}

// receiveHint says what to do about err, if there is something.
func receiveHint(err error) string {
	var bye *transfer.ByeError
	var network *net.OpError
	switch {
	case errors.Is(err, transfer.ErrSenderKey):
		return "another program answers at the sender's address, or the token is of an older sending"
	case errors.Is(err, wire.ErrVersion):
		return "use the same version of daisy-mcast on both sides"
	case errors.As(err, &bye) && bye.Reason == wire.Gone:
		return "a stream cannot be joined late, or by a host that does not keep up; send a file"
	case errors.As(err, &network) && network.Op == "dial":
		return "see that 'send' still waits there, that its TCP port is open, and that --local-ip is on the way to it"
	}
	return ""
}

func printReceivedNative(w io.Writer, r transfer.ReceiveResult, took time.Duration) {
	c := r.Counters
	fmt.Fprintf(w, "received %d bytes in %v: %d packets, %d duplicates; lost: %d on the wire, %d in the socket's buffer, %d damaged or forged, %d behind the disk; %d over TCP, %d bad segments, %d foreign\n",
		r.Size, took.Round(time.Millisecond), c.Received, c.Duplicates, r.Lost, c.Overflow, c.BadTags, c.NoRoom,
		r.Repairs, c.BadSegments, r.Drops.Foreign)
	if r.Resumed > 0 {
		fmt.Fprintf(w, "resumed: %d of the bytes were here from an earlier session\n", r.Resumed)
	}
}
