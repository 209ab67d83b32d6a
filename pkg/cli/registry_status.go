package cli

import (
	"fmt"
	"os"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/daisy-mcast/daisy-mcast/pkg/launch"
	"github.com/daisy-mcast/daisy-mcast/pkg/store"
)

// registryStatusAnswer is what registry start and status print.
type registryStatusAnswer struct {
	launch.Status
	Set *registrySetAnswer `json:"set,omitempty"` // that is served; nil when there is none
}

// servedSet is the set that tags resolve from in the store at dir, nil when there
// is none: a status is also asked for where there is no store yet.
func servedSet(dir string) *registrySetAnswer {
	if info, err := os.Stat(dir); err != nil || !info.IsDir() {
		return nil
	}
	st, err := store.Open(dir)
	if err != nil {
		return nil
	}
	defer st.Close()
	set, mode, err := st.Current()
	if err != nil {
		return nil
	}
	return &registrySetAnswer{ID: set.ID, Current: true, Mode: mode.String(), Images: len(set.Images)}
}

// newRegistryStatusCommand is `registry status`.
func newRegistryStatusCommand(std *streams) *cobra.Command {
	var flags registrySpecFlags
	var storeDir string
	output := outputTable
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Say how the registry runs; exit code 4 when it does not",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			spec, err := flags.spec()
			if err != nil {
				return err
			}
			status, err := launch.Check(cmd.Context(), spec)
			if err != nil {
				return registryError(err)
			}
			if storeDir == "" {
				storeDir = servedStore(spec.BaseDir)
			}
			answer := registryStatusAnswer{Status: status, Set: servedSet(storeDir)}
			if err := writeRegistryStatus(std, output, answer); err != nil {
				return err
			}
			if !status.Running {
				return &ExitError{Code: ExitFailed}
			}
			return nil
		},
	}
	flags.AddFlags(cmd.Flags())
	cmd.Flags().StringVar(&storeDir, "store", "", "the store's `DIR`; default: the one in the base directory that is served")
	cmd.Flags().VarP(&output, "output", "o", "the form of the answer")
	return cmd
}

func writeRegistryStatus(std *streams, output outputFormat, s registryStatusAnswer) error {
	if output != outputTable {
		return writeAsJSON(std.Out, output, s)
	}
	if !s.Running {
		text := "not running"
		if s.Mode != launch.None {
			text = fmt.Sprintf("not running: it ran as a %s; %s", s.Mode, s.Note)
		}
		_, err := fmt.Fprintln(std.Out, strings.TrimSuffix(text, "; "))
		return err
	}
	w := tabwriter.NewWriter(std.Out, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "running\tas a %s, pid %d\n", s.Mode, s.PID)
	for _, a := range s.Listening {
		fmt.Fprintf(w, "listens on\t%v\n", a)
	}
	fmt.Fprintf(w, "program\t%s\n", s.Version)
	fmt.Fprintf(w, "after a reboot\t%s\n", map[bool]string{true: "comes back", false: "does not come back"}[s.SurvivesReboot])
	if s.Set != nil {
		fmt.Fprintf(w, "serves\t%d images of set %s (%s)\n", s.Set.Images, shortID(s.Set.ID), s.Set.Mode)
	}
	if s.Note != "" {
		fmt.Fprintf(w, "note\t%s\n", s.Note)
	}
	return w.Flush()
}
