package cli

import (
	"github.com/spf13/cobra"

	"github.com/daisy-mcast/daisy-mcast/pkg/launch"
)

// newRegistryStopCommand is `registry stop`.
func newRegistryStopCommand(*streams) *cobra.Command {
	var flags registrySpecFlags
	var purge bool
	cmd := &cobra.Command{
		Use:   "stop",
		Short: "Stop the registry",
		Long: `Stop the registry in whatever mode it runs. It comes back with the next boot, or
with the next start of its engine, unless --purge takes it away.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			spec, err := flags.spec()
			if err != nil {
				return err
			}
			return registryError(launch.Stop(cmd.Context(), spec, purge))
		},
	}
	flags.AddFlags(cmd.Flags())
	cmd.Flags().BoolVar(&purge, "purge", false, "also remove its container, images, unit and pid file; never a store")
	return cmd
}
