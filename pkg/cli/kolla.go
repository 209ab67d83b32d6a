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
	cmd.AddCommand(newKollaBypassCommand(std), newKollaRemoveCommand(std))
	return cmd
}

// kollaChange is what kolla bypass and remove print.
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
			return writeKollaChange(std, output, change, change.Notice())
		},
	}
	cmd.Flags().StringVar(&dir, "globals-dir", "", "Kolla's globals.d `DIR`")
	cmd.Flags().VarP(&output, "output", "o", "the form of the answer")
	return cmd
}

// newKollaRemoveCommand is `kolla remove`.
func newKollaRemoveCommand(std *streams) *cobra.Command {
	var dir string
	var dryRun bool
	output := outputTable
	cmd := &cobra.Command{
		Use:   "remove --globals-dir DIR",
		Short: "Remove Kolla's drop-in",
		Long: `Remove the drop-in that distribute has written. Kolla then uses the registry of its
other files, and recreates every container at its next deploy.`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			if dir == "" {
				return usage(errors.New("kolla remove: no --globals-dir"), "")
			}
			remove := kolla.Remove
			if dryRun {
				remove = kolla.PlanRemove
			}
			change, err := remove(dir)
			if err != nil {
				return usage(err, "")
			}
			notice := change.Notice()
			if dryRun {
				notice = ""
			}
			return writeKollaChange(std, output, change, notice)
		},
	}
	cmd.Flags().StringVar(&dir, "globals-dir", "", "Kolla's globals.d `DIR`")
	cmd.Flags().BoolVar(&dryRun, "dry-run", false, "only say what would be done")
	cmd.Flags().VarP(&output, "output", "o", "the form of the answer")
	return cmd
}

func writeKollaChange(std *streams, output outputFormat, change kolla.Change, notice string) error {
	if notice != "" {
		fmt.Fprintln(std.Err, notice)
	}
	if output == outputTable {
		_, err := fmt.Fprintf(std.Out, "%s: %s\n", change.Path, change.Action)
		return err
	}
	return writeAsJSON(std.Out, output, kollaChange{change.Path, change.Action})
}
