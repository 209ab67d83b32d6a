package cli

import (
	"log/slog"

	"github.com/spf13/cobra"

	"github.com/daisy-mcast/daisy-mcast/pkg/agent"
)

// newAgentCommand is the program's half on a host. The deploy server starts it
// over SSH; nobody calls it by hand.
func newAgentCommand(std *streams) *cobra.Command {
	return &cobra.Command{
		Use:    "agent",
		Short:  "Answer the deploy server on standard input and output",
		Args:   cobra.NoArgs,
		Hidden: true,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := noCoreFiles(); err != nil {
				return err
			}
			log := slog.New(slog.NewTextHandler(std.Err, &slog.HandlerOptions{Level: slog.LevelWarn}))
			return agent.Run(cmd.Context(), std.In, std.Out, log)
		},
	}
}
