package cli

import (
	"context"
	"fmt"
	"io"
	"net/netip"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/daisy-mcast/daisy-mcast/pkg/daisyconfig"
)

type targetsOptions struct {
	hostFlags
	output outputFormat
}

func newTargetsCommand(std *streams) *cobra.Command {
	opt := targetsOptions{output: outputTable}
	cmd := &cobra.Command{
		Use:   "targets --dha deploy.yml | --hosts FILE",
		Short: "List the hosts, their roles and addresses, and where each address comes from",
		Long: `List the hosts that Daisy's files, or a host list, name. Nothing is contacted,
unless --resolve asks the resolver.

A host's address is --address, or ip in deploy.yml, or the resolver's. What is
left shares addresses derived from the MANAGEMENT network's ranges: those say
which addresses Daisy gave, not who has which, so they are listed apart from the
names.`,
		Example: `  daisy-mcast targets --dha deploy.yml --network network.yml
  daisy-mcast targets --dha deploy.yml --address controller01=10.20.11.3 -o json
  daisy-mcast targets --hosts hosts.yml --limit node1,10.0.0.12`,
		Args: argCount(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return runTargets(cmd.Context(), std, opt)
		},
	}
	opt.AddFlags(cmd.Flags())
	cmd.Flags().VarP(&opt.output, "output", "o", "the form of the list")
	return cmd
}

func runTargets(ctx context.Context, std *streams, opt targetsOptions) error {
	set, err := opt.load(ctx, std)
	if err != nil {
		return err
	}
	printWarnings(std, set.Warnings)
	report := newTargetsReport(set)
	if opt.output == outputTable {
		return report.writeTable(std.Out)
	}
	return writeDocument(std.Out, opt.output, report)
}

// targetsReport is what -o json and yaml give.
type targetsReport struct {
	Count int         `json:"count" yaml:"count"`
	Hosts []targetRow `json:"hosts" yaml:"hosts"`
	// DerivedAddresses are those of the hosts whose address is null; which of
	// them is whose is not proven.
	DerivedAddresses []string `json:"derived_addresses" yaml:"derived_addresses"`
}

type targetRow struct {
	Name          *string  `json:"name" yaml:"name"` // null: not known
	Roles         []string `json:"roles" yaml:"roles"`
	Address       *string  `json:"address" yaml:"address"` // null: one of derived_addresses
	AddressSource string   `json:"address_source" yaml:"address_source"`
}

func newTargetsReport(set *hostSet) targetsReport {
	r := targetsReport{Hosts: []targetRow{}, DerivedAddresses: []string{}}
	for _, h := range set.List {
		r.Hosts = append(r.Hosts, targetRow{
			Name: known(h.Name), Roles: append([]string{}, h.Roles...),
			Address: known(h.Address), AddressSource: "host list",
		})
	}
	if set.Targets != nil {
		for _, h := range set.Targets.Hosts {
			r.Hosts = append(r.Hosts, daisyRow(h))
		}
		for _, a := range set.Targets.Derived {
			r.DerivedAddresses = append(r.DerivedAddresses, a.String())
		}
	}
	r.Count = len(r.Hosts)
	return r
}

func daisyRow(h daisyconfig.Target) targetRow {
	row := targetRow{Name: known(h.Name), Roles: []string{}, AddressSource: string(h.Source)}
	for _, role := range h.Roles {
		row.Roles = append(row.Roles, string(role))
	}
	if h.Address != (netip.Addr{}) {
		row.Address = known(h.Address.String())
	}
	return row
}

func known(text string) *string {
	if text == "" {
		return nil
	}
	return &text
}

func (r targetsReport) writeTable(w io.Writer) error {
	var b strings.Builder
	tw := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(tw, "NAME\tROLES\tADDRESS\tSOURCE")
	for _, h := range r.Hosts {
		fmt.Fprintf(tw, "%s\t%s\t%s\t%s\n", orDash(h.Name), orDash(known(strings.Join(h.Roles, ","))),
			orDash(h.Address), h.AddressSource)
	}
	_ = tw.Flush() // a strings.Builder takes everything
	fmt.Fprintf(&b, "\n%s\n", counted(r.Count, "host"))
	if len(r.DerivedAddresses) > 0 {
		fmt.Fprintf(&b, "derived, and not proven which host has which: %s\n", strings.Join(r.DerivedAddresses, " "))
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func orDash(text *string) string {
	if text == nil {
		return "-"
	}
	return *text
}

func counted(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
