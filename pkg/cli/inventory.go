package cli

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/daisy-mcast/daisy-mcast/pkg/daisyconfig"
)

type inventoryOptions struct {
	hostFlags
	list      bool
	host      string
	passwords bool
}

func newInventoryCommand(std *streams) *cobra.Command {
	var opt inventoryOptions
	cmd := &cobra.Command{
		Use:   "inventory --list | --host NAME",
		Short: "Print Daisy's hosts as an inventory for Ansible and Kolla",
		Long: `Print the hosts of Daisy's files in the protocol of Ansible's inventory scripts:
Kolla's groups, each host's address, and Kolla's network variables.

Ansible runs a script with --list alone; the files then come from
DAISY_MCAST_DHA and DAISY_MCAST_NETWORK, addresses (NAME=IP,NAME=IP) from
DAISY_MCAST_ADDRESS.

Each address must be known to be the host's. Those that are only derived from
the MANAGEMENT ranges are refused: Kolla's roles must not land on the wrong
machine.`,
		Example: `  daisy-mcast inventory --list --dha deploy.yml --address controller01=10.20.11.3
  DAISY_MCAST_DHA=deploy.yml daisy-mcast inventory --host controller01`,
		Args: argCount(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return runInventory(cmd.Context(), std, opt)
		},
	}
	opt.addDaisyFlags(cmd.Flags())
	cmd.Flags().BoolVar(&opt.list, "list", false, "print all groups and hosts")
	cmd.Flags().StringVar(&opt.host, "host", "", "print the variables of the host `NAME`")
	cmd.Flags().BoolVar(&opt.passwords, "with-passwords", false, "also print the hosts' passwords for ssh, as ansible_password")
	return cmd
}

func runInventory(ctx context.Context, std *streams, opt inventoryOptions) error {
	if opt.list == (opt.host != "") {
		return usage(errors.New("want either --list or --host NAME"), "")
	}
	set, err := opt.load(ctx, std)
	if err != nil {
		return err
	}
	if set.Config == nil {
		return usage(errors.New("an inventory is made from Daisy's files only"), "give --dha deploy.yml")
	}
	printWarnings(std, set.Warnings)
	inventory, err := set.Config.Inventory(set.Targets)
	var unproven *daisyconfig.UnprovenError
	if errors.As(err, &unproven) {
		return usage(err, "give each an ip in deploy.yml, --address NAME=IP (or DAISY_MCAST_ADDRESS), or use --resolve")
	}
	if err != nil {
		return err
	}
	printWarnings(std, inventory.Warnings)
	if opt.passwords {
		inventory.AddPasswords(set.Targets)
	}
	if opt.list {
		return writeDocument(std.Out, outputJSON, inventory)
	}
	vars, ok := inventory.HostVars[opt.host]
	if !ok {
		return usage(fmt.Errorf("--host %q: no such host in deploy.yml", opt.host), "")
	}
	return writeDocument(std.Out, outputJSON, vars)
}
