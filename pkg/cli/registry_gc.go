package cli

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/daisy-mcast/daisy-mcast/pkg/store"
)

// keepSets is how many sets stay: the one that is served and the one before (R16).
const keepSets = 2

// registryGCOptions are the flags of registry gc.
type registryGCOptions struct {
	storeFlags
	keep   int
	dryRun bool
}

// registryGCAnswer is what registry gc prints.
type registryGCAnswer struct {
	Store  string   `json:"store"`
	DryRun bool     `json:"dry_run"`
	Kept   int      `json:"sets_kept"`
	Sets   []string `json:"sets_removed"` // IDs
	Tags   int      `json:"tags_removed"`
	Blobs  int      `json:"blobs_removed"`
	Bytes  int64    `json:"bytes_freed"`
}

func newRegistryGCCommand(std *streams) *cobra.Command {
	var opt registryGCOptions
	cmd := &cobra.Command{
		Use:   "gc",
		Short: "Remove older sets of images from the store",
		Long: `Keep the set that is served and the N sets used last, and remove all images, tags
and blobs that none of them has. The registry may go on running. While something is
imported or received nothing is removed.`,
		Example: `  daisy-mcast registry gc --dry-run
  daisy-mcast registry gc --keep 1`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error { return runRegistryGC(std, opt) },
	}
	opt.AddFlags(cmd.Flags())
	cmd.Flags().IntVar(&opt.keep, "keep", keepSets, "how many sets stay, `N` of at least 1; the one that is served always does")
	cmd.Flags().BoolVar(&opt.dryRun, "dry-run", false, "only say what would be removed")
	return cmd
}

func runRegistryGC(std *streams, opt registryGCOptions) error {
	if opt.keep < 1 {
		return usage(fmt.Errorf("--keep %d: at least 1 set stays", opt.keep), "")
	}
	dir, err := opt.path()
	if err != nil {
		return err
	}
	answer := registryGCAnswer{Store: dir, DryRun: opt.dryRun, Sets: []string{}}
	sets, err := storedSets(dir)
	if err != nil {
		return err
	}
	if sets > 0 { // a directory that is no store of ours is not made one
		res, err := collect(dir, opt)
		if errors.Is(err, store.ErrBusy) {
			return usage(err, "wait until what is imported or received is there")
		}
		if err != nil {
			return err
		}
		answer.Sets = append(answer.Sets, res.Sets...)
		answer.Tags, answer.Blobs, answer.Bytes = res.Tags, res.Blobs, res.Bytes
	}
	answer.Kept = sets - len(answer.Sets)
	if opt.output != outputTable {
		return writeAsJSON(std.Out, opt.output, answer)
	}
	_, err = fmt.Fprintln(std.Out, answer.text())
	return err
}

// storedSets counts the sets in dir.
func storedSets(dir string) (int, error) {
	st, err := store.Open(dir)
	if err != nil {
		return 0, err
	}
	defer st.Close()
	sets, err := st.Sets()
	return len(sets), err // what a set that cannot be read needs is not known
}

func collect(dir string, opt registryGCOptions) (res store.GCResult, err error) {
	if opt.dryRun {
		st, err := store.Open(dir)
		if err != nil {
			return res, err
		}
		defer st.Close()
		return st.PlanGC(opt.keep)
	}
	st, err := store.Create(store.Config{Dir: dir})
	if err != nil {
		return res, err
	}
	defer func() { err = errors.Join(err, st.Close()) }()
	return st.GC(opt.keep)
}

func (a registryGCAnswer) text() string {
	did, freed := "removed", "freed"
	if a.DryRun {
		did, freed = "would remove", "to be freed"
	}
	kept := fmt.Sprintf("sets kept: %d", a.Kept)
	if len(a.Sets)+a.Tags+a.Blobs == 0 {
		return "nothing to remove; " + kept
	}
	names := ""
	if len(a.Sets) > 0 {
		var short []string
		for _, id := range a.Sets {
			short = append(short, shortID(id))
		}
		names = " (" + strings.Join(short, ", ") + ")"
	}
	return fmt.Sprintf("%s sets: %d%s, tags: %d, blobs: %d\n%s %s; %s",
		did, len(a.Sets), names, a.Tags, a.Blobs, sizeText(a.Bytes), freed, kept)
}
