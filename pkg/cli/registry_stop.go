package cli

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/daisy-mcast/daisy-mcast/pkg/kolla"
	"github.com/daisy-mcast/daisy-mcast/pkg/launch"
)

// newRegistryStopCommand is `registry stop`.
func newRegistryStopCommand(std *streams) *cobra.Command {
	var flags registrySpecFlags
	var purge bool
	var dropInDir string
	cmd := &cobra.Command{
		Use:   "stop",
		Short: "Stop the registry",
		Long: `Stop the registry in whatever mode it runs. It comes back with the next boot, or
with the next start of its engine, unless --purge takes it away.

Kolla's drop-in stays, unless --remove-drop-in names its directory: without it Kolla
uses another registry and recreates every container at its next deploy.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			spec, err := flags.spec()
			if err != nil {
				return err
			}
			if dropInDir != "" { // first: Kolla must not be left pointing at nothing
				if err := removeDropIn(std, dropInDir); err != nil {
					return err
				}
			}
			return registryError(launch.Stop(cmd.Context(), spec, purge))
		},
	}
	flags.AddFlags(cmd.Flags())
	cmd.Flags().BoolVar(&purge, "purge", false, "also remove its container, images, unit and pid file; never a store")
	cmd.Flags().StringVar(&dropInDir, "remove-drop-in", "", "also remove Kolla's drop-in from globals.d `DIR`")
	return cmd
}

// removeDropIn takes Kolla's drop-in away and says what that means (R14).
func removeDropIn(std *streams, dir string) error {
	change, err := kolla.Remove(dir)
	if err != nil {
		return usage(err, "")
	}
	if notice := change.Notice(); notice != "" {
		fmt.Fprintln(std.Err, notice)
	}
	return nil
}
