// Package cli is the command line of daisy-mcast: one file a command. Results
// go to standard output, progress and logs to standard error.
//
// The commands only read flags and print; the work is in the packages that
// they call.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/daisy-mcast/daisy-mcast/pkg/progress"
)

// streams are the standard streams of the process, or a test's.
type streams struct {
	In       io.Reader
	Out, Err io.Writer
}

// Main runs the program with args (without the program's name) and returns its
// exit code. SIGINT and SIGTERM cancel what runs.
func Main(args []string, in io.Reader, out, errw io.Writer) int {
	if code, isHelper := askpass(args, out, errw); isHelper {
		return code
	}
	defer progress.HoldBrokenPipe()()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, func() { time.AfterFunc(signalGrace, stop) })
	std := &streams{In: in, Out: out, Err: errw}
	root := newRootCommand(std)
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	return report(errw, err, ctx.Err() != nil)
}

// Commands returns the tree of commands, to be described and not to be run.
func Commands() *cobra.Command {
	return newRootCommand(&streams{In: strings.NewReader(""), Out: io.Discard, Err: io.Discard})
}

func newRootCommand(std *streams) *cobra.Command {
	root := &cobra.Command{
		Use:           "daisy-mcast",
		Short:         "Send Kolla's container images to all hosts at once, by reliable multicast",
		Version:       version(),
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return cmd.Help()
		},
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error {
			return applySettings(cmd, os.Getenv)
		},
	}
	root.PersistentFlags().String("config", "", "YAML `FILE` with settings: flags' names as keys; default $"+configEnv)
	root.SetVersionTemplate("daisy-mcast {{.Version}}\n")
	root.SetIn(std.In)
	root.SetOut(std.Out)
	root.SetErr(std.Err)
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return usage(err, fmt.Sprintf("see '%s --help'", cmd.CommandPath()))
	})
	root.AddCommand(commands(std)...)
	blameArguments(root)
	return root
}

// blameArguments makes what a command says of its arguments bad usage.
func blameArguments(c *cobra.Command) {
	if check := c.Args; check != nil {
		c.Args = func(cmd *cobra.Command, args []string) error {
			err := check(cmd, args)
			var exit *ExitError
			if err == nil || errors.As(err, &exit) {
				return err
			}
			return usage(err, fmt.Sprintf("see '%s --help'", cmd.CommandPath()))
		}
	}
	for _, sub := range c.Commands() {
		blameArguments(sub)
	}
}

// commands is the list of what daisy-mcast can do, in the order of its help.
func commands(std *streams) []*cobra.Command {
	return []*cobra.Command{
		newDistributeCommand(std),
		newBundleCommand(std),
		newDemoCommand(std),
		newAgentCommand(std),
		newRegistryCommand(std),
		newTargetsCommand(std),
		newInventoryCommand(std),
		newKollaCommand(std),
		newSendCommand(std),
		newReceiveCommand(std),
		newServerCommand(std),
		newClientCommand(std),
	}
}

// report prints err as a person needs it and returns the exit code for it.
func report(w io.Writer, err error, interrupted bool) int {
	if err == nil {
		return ExitOK
	}
	var exit *ExitError
	if !errors.As(err, &exit) {
		exit = &ExitError{Code: ExitInternal, Err: err}
		if interrupted {
			exit.Code = ExitInterrupted
		}
	}
	if exit.Err != nil {
		fmt.Fprintf(w, "daisy-mcast: %v\n", exit.Err)
	}
	if exit.Hint != "" {
		fmt.Fprintf(w, "hint: %s\n", exit.Hint)
	}
	return exit.Code
}
