package cli

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/daisy-mcast/daisy-mcast/pkg/pyyaml"
)

// configEnv names the configuration file where --config does not.
const configEnv = "DAISY_MCAST_CONFIG"

// applySettings fills in the flags that were not given: from the environment,
// DAISY_MCAST_SSH_USER for --ssh-user, else from the configuration file, whose
// keys are the flags' names; for one command alone they stand in a mapping of the
// command's name.
func applySettings(cmd *cobra.Command, getenv func(string) string) error {
	file, _ := cmd.Flags().GetString("config")
	if file == "" {
		file = getenv(configEnv)
	}
	values, err := readSettings(file, cmd)
	if err != nil {
		return usage(err, "")
	}
	var errs []error
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		if f.Changed || f.Name == "config" || f.Name == "help" {
			return
		}
		name := "DAISY_MCAST_" + strings.ToUpper(strings.ReplaceAll(f.Name, "-", "_"))
		given, from := values[f.Name], file+": "+f.Name
		if v := getenv(name); v != "" {
			given, from = []string{v}, name
		}
		if f.Name == "address" {
			given = splitCommas(given) // addresses have none
		}
		for _, v := range given {
			if err := cmd.Flags().Set(f.Name, v); err != nil {
				errs = append(errs, fmt.Errorf("%s: %w", from, err))
			}
		}
	})
	if err := errors.Join(errs...); err != nil {
		return usage(err, "")
	}
	return nil
}

// readSettings returns the values of the file's keys, those of the command's own
// mapping instead of the general ones. A key that no command has is refused.
func readSettings(file string, cmd *cobra.Command) (map[string][]string, error) {
	values := make(map[string][]string)
	if file == "" {
		return values, nil
	}
	doc, err := pyyaml.Load(file)
	if err != nil {
		return nil, fmt.Errorf("the configuration file: %w", err)
	}
	fields := doc.Root().Fields()
	takeSettings(values, fields, cmd.Root())
	if own := fields.Optional(cmd.Name()); own != nil {
		takeSettings(values, own.Fields(), cmd)
	}
	return values, doc.Err()
}

func takeSettings(values map[string][]string, fields *pyyaml.Fields, scope *cobra.Command) {
	for _, key := range fields.Keys() {
		n := fields.Optional(key)
		switch {
		case n == nil || n.Kind() == pyyaml.Mapping && hasCommand(scope, key):
		case hasFlag(scope, key):
			values[key] = settingTexts(n)
		default:
			n.Refuse("%s has no setting of this name", scope.Name())
		}
	}
}

func hasCommand(c *cobra.Command, name string) bool {
	return slices.ContainsFunc(c.Commands(), func(sub *cobra.Command) bool { return sub.Name() == name })
}

// hasFlag reports whether c or a command below it has the flag.
func hasFlag(c *cobra.Command, name string) bool {
	return c.Flags().Lookup(name) != nil ||
		slices.ContainsFunc(c.Commands(), func(sub *cobra.Command) bool { return hasFlag(sub, name) })
}

// settingTexts is a value as it would stand on the command line.
func settingTexts(n *pyyaml.Node) []string {
	switch n.Kind() {
	case pyyaml.Sequence:
		var all []string
		for _, item := range n.Items() {
			all = append(all, settingTexts(item)...)
		}
		return all
	case pyyaml.Int:
		v, _ := n.Int()
		return []string{strconv.FormatInt(v, 10)}
	case pyyaml.Bool:
		v, _ := n.Bool()
		return []string{strconv.FormatBool(v)}
	}
	text, _ := n.Text()
	return []string{text}
}

func splitCommas(given []string) []string {
	var out []string
	for _, g := range given {
		out = append(out, strings.Split(g, ",")...)
	}
	return out
}
