package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"runtime"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/daisy-mcast/daisy-mcast/pkg/store"
)

// registryVerifyOptions are the flags of registry verify.
type registryVerifyOptions struct {
	storeFlags
	all bool
}

// registryVerifyAnswer is what registry verify prints.
type registryVerifyAnswer struct {
	Store string              `json:"store"`
	OK    bool                `json:"ok"`
	Sets  []registrySetAnswer `json:"sets"`
	Blobs int                 `json:"blobs"` // that were looked at
	Bytes int64               `json:"bytes"` // of them
	Bad   []registryBadBlob   `json:"bad"`
	// Upstream counts blobs that are not here, of a set that is served with the
	// central registry's help.
	Upstream int `json:"upstream"`
	// Unreadable says which sets could not be looked at.
	Unreadable string `json:"unreadable,omitempty"`
}

type registrySetAnswer struct {
	ID      string `json:"id"`
	Current bool   `json:"current"`
	Mode    string `json:"mode"` // whole, lean or none
	Images  int    `json:"images"`
}

type registryBadBlob struct {
	Digest  store.Digest `json:"digest"`
	Bytes   int64        `json:"bytes"`
	Problem string       `json:"problem"`
	Images  []string     `json:"images"`
}

func newRegistryVerifyCommand(std *streams) *cobra.Command {
	var opt registryVerifyOptions
	cmd := &cobra.Command{
		Use:   "verify",
		Short: "Read every blob of the store and compare its digest; exit code 4 when one is wrong",
		Long: `Read every blob of the set that is served, or with --all of every set, and compare
its size and digest. Each one that is missing or damaged is named, with the images
that need it. Nothing is changed but the record of what was verified: the next run of
distribute reads again, and repairs, what was found damaged here.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return runRegistryVerify(cmd.Context(), std, opt)
		},
	}
	opt.AddFlags(cmd.Flags())
	cmd.Flags().BoolVar(&opt.all, "all", false, "every set of the store, not only the one that is served")
	return cmd
}

func runRegistryVerify(ctx context.Context, std *streams, opt registryVerifyOptions) error {
	dir, err := opt.path()
	if err != nil {
		return err
	}
	st, err := store.Open(dir)
	if err != nil {
		return err
	}
	defer st.Close()
	answer := registryVerifyAnswer{Store: dir, Sets: []registrySetAnswer{}, Bad: []registryBadBlob{}}
	sets, lean, err := answer.choose(st, opt.all)
	if err != nil {
		return err
	}
	bad, err := st.VerifySets(ctx, sets, runtime.GOMAXPROCS(0))
	if err != nil {
		return err
	}
	if err := st.SaveVerified(); err != nil && len(bad) > 0 {
		fmt.Fprintf(std.Err, "the next run will not know of this: %v\n", err)
	}
	answer.count(sets)
	answer.judge(bad, sets, lean)
	if opt.output != outputTable {
		err = writeAsJSON(std.Out, opt.output, answer)
	} else {
		err = answer.writeTable(std)
	}
	if err == nil && !answer.OK {
		return &ExitError{Code: ExitFailed}
	}
	return err
}

// choose returns the sets to look at, and which of them, if any, is served with
// the central registry's help.
func (a *registryVerifyAnswer) choose(st *store.Store, all bool) (sets []*store.Set, lean *store.Set, err error) {
	infos, bad := st.Sets()
	for _, info := range infos {
		if !all && !info.Current {
			continue
		}
		set, err := st.LoadSet(info.ID)
		if err != nil {
			return nil, nil, err
		}
		if info.Mode == store.ModeLean {
			lean = set
		}
		sets = append(sets, set)
		a.Sets = append(a.Sets, registrySetAnswer{info.ID, info.Current, info.Mode.String(), info.Images})
	}
	switch {
	case bad != nil && all || bad != nil && len(sets) == 0:
		a.Unreadable = bad.Error()
	case len(sets) == 0 && len(infos) == 0:
		return nil, nil, usage(fmt.Errorf("the store %s has no set of images", a.Store), "")
	case len(sets) == 0:
		return nil, nil, usage(fmt.Errorf("the store %s serves no set", a.Store), "--all looks at every set that is there")
	}
	return sets, lean, nil
}

func (a *registryVerifyAnswer) count(sets []*store.Set) {
	seen := make(map[store.Digest]bool)
	for _, set := range sets {
		for _, b := range set.Blobs {
			if !seen[b.Digest] {
				seen[b.Digest] = true
				a.Blobs++
				a.Bytes += b.Size
			}
		}
	}
}

// judge takes what is bad, but not what only the lean set needs and upstream has.
func (a *registryVerifyAnswer) judge(bad []store.BadBlob, sets []*store.Set, lean *store.Set) {
	for _, b := range bad {
		if errors.Is(b.Err, fs.ErrNotExist) && onlyIn(lean, sets, b.Blob.Digest) {
			a.Upstream++
			continue
		}
		entry := registryBadBlob{Digest: b.Blob.Digest, Bytes: b.Blob.Size, Problem: problemText(b.Err), Images: []string{}}
		for _, img := range b.Images {
			entry.Images = append(entry.Images, img.Repository+":"+img.Tag)
		}
		entry.Images = slices.Compact(entry.Images) // several sets have images of one name
		a.Bad = append(a.Bad, entry)
	}
	a.OK = len(a.Bad) == 0 && a.Unreadable == ""
}

func onlyIn(lean *store.Set, sets []*store.Set, d store.Digest) bool {
	for _, set := range sets {
		if _, ok := set.Has(d); ok && set != lean {
			return false
		}
	}
	return lean != nil
}

func problemText(err error) string {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "missing"
	case errors.Is(err, store.ErrDigestMismatch), errors.Is(err, store.ErrSizeMismatch):
		return "damaged"
	}
	return "unreadable: " + err.Error()
}

func (a *registryVerifyAnswer) writeTable(std *streams) error {
	if len(a.Bad) > 0 {
		w := tabwriter.NewWriter(std.Out, 0, 0, 2, ' ', 0)
		fmt.Fprintln(w, "BLOB\tPROBLEM\tIMAGES")
		for _, b := range a.Bad {
			images := strings.Join(b.Images, ", ")
			if images == "" {
				images = "not known" // of a manifest that cannot be read
			}
			fmt.Fprintf(w, "%s\t%s\t%s\n", b.Digest, b.Problem, images)
		}
		if err := w.Flush(); err != nil {
			return err
		}
		fmt.Fprintln(std.Out)
	}
	if a.Unreadable != "" {
		fmt.Fprintln(std.Out, a.Unreadable)
	}
	if a.Upstream > 0 {
		fmt.Fprintf(std.Out, "on the central registry: %d blobs\n", a.Upstream)
	}
	_, err := fmt.Fprintf(std.Out, "sets: %d, blobs: %d (%s), wrong: %d\n", len(a.Sets), a.Blobs, sizeText(a.Bytes), len(a.Bad))
	return err
}
