package cli

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/daisy-mcast/daisy-mcast/pkg/kolla"
)

func newKollaCommand(std *streams) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "kolla",
		Short: "Change what Kolla's drop-in says",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newKollaBypassCommand(std))
	return cmd
}

// kollaChange is what kolla bypass prints.
type kollaChange struct {
	Path   string       `json:"path"`
	Action kolla.Action `json:"action"`
}

// newKollaBypassCommand is `kolla bypass`.
func newKollaBypassCommand(std *streams) *cobra.Command {
	var dir string
	output := outputTable
	cmd := &cobra.Command{
		Use:   "bypass --globals-dir DIR HOST...",
		Short: "Have Kolla's hosts without a registry of their own pull from the central one",
		Long: `Change the drop-in that distribute has written: these hosts, by the names that
Kolla's inventory has, take their images from the central registry. Their engines
must know its certificate. The next distribute that is for such a host decides anew.

Such a host has other names for its images than the others: once it has a registry
of its own again, Kolla recreates its containers.`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			if dir == "" {
				return usage(errors.New("kolla bypass: no --globals-dir"), "")
			}
			change, err := kolla.Bypass(dir, args)
			if err != nil {
				return usage(err, "distribute --globals-dir writes it")
			}
			if notice := change.Notice(); notice != "" {
				fmt.Fprintln(std.Err, notice)
			}
			if output == outputTable {
				_, err = fmt.Fprintf(std.Out, "%s: %s\n", change.Path, change.Action)
				return err
			}
			return writeAsJSON(std.Out, output, kollaChange{change.Path, change.Action})
		},
	}
	cmd.Flags().StringVar(&dir, "globals-dir", "", "Kolla's globals.d `DIR`")
	cmd.Flags().VarP(&output, "output", "o", "the form of the answer")
	return cmd
}
