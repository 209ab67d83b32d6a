package cli

import (
	"context"
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/daisy-mcast/daisy-mcast/pkg/imageset"
	"github.com/daisy-mcast/daisy-mcast/pkg/store"
)

// bundleReadOptions are the flags of bundle inspect and bundle verify.
type bundleReadOptions struct {
	sourceFlags
	progressFlag
	output outputFormat
}

// bundleSchema grows when a field of bundleAnswer is taken away or changes its meaning.
const bundleSchema = 1

// bundleAnswer is what they print. docs/OPERATIONS.md describes it.
type bundleAnswer struct {
	Schema        int                 `json:"schema"`
	Source        string              `json:"source"`
	Set           string              `json:"set"`
	Release       store.Release       `json:"release"`
	Architectures []string            `json:"architectures"`
	Blobs         int                 `json:"blobs"`
	Bytes         int64               `json:"bytes"`
	SharedBytes   int64               `json:"shared_bytes"`
	ExtraBlobs    int                 `json:"extra_blobs"` // that no image needs
	Images        []bundleImageAnswer `json:"images"`
	Notes         []string            `json:"notes"`
	Seconds       float64             `json:"seconds,omitempty"`
}

type bundleImageAnswer struct {
	Repository    string         `json:"repository"`
	Tag           string         `json:"tag"`
	Digest        store.Digest   `json:"digest"`
	Bytes         int64          `json:"bytes"`
	OwnBytes      int64          `json:"own_bytes"` // of blobs that no other image has
	Layers        int            `json:"layers"`
	Architectures []string       `json:"architectures"`
	ForeignLayers []store.Digest `json:"foreign_layers"`
	AbsentLayers  []store.Digest `json:"absent_layers"`
}

func newBundleInspectCommand(std *streams) *cobra.Command {
	opt := bundleReadOptions{output: outputTable}
	cmd := &cobra.Command{
		Use:   "inspect [SOURCE]",
		Short: "Say which images a source has, and how large they are",
		Long: `Say which images a source has: tags, sizes, the bytes that they share, architectures,
the release, foreign layers. References are checked; layers of a directory or a plain
tar are not read, see bundle verify. Without SOURCE, the only bundle in
` + imageset.DefaultDir + `.`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				only, err := imageset.FindBundle(imageset.DefaultDir)
				if err != nil {
					return usage(err, imageset.Advice(err))
				}
				args = []string{only}
			}
			answer, err := opt.read(cmd.Context(), std, args[0], imageset.Inspect)
			if err != nil {
				return err
			}
			return answer.write(std, opt.output)
		},
	}
	opt.addFlags(cmd)
	return cmd
}

func (o *bundleReadOptions) addFlags(cmd *cobra.Command) {
	o.sourceFlags.AddFlags(cmd.Flags())
	o.progressFlag.AddFlags(cmd.Flags())
	cmd.Flags().VarP(&o.output, "output", "o", "the form of the result")
}

// read looks at a source in the given way.
func (o *bundleReadOptions) read(ctx context.Context, std *streams, source string,
	by func(context.Context, imageset.Place, imageset.ImportOptions) (*imageset.Contents, error)) (*bundleAnswer, error) {
	opts, err := o.options(source)
	if err != nil {
		return nil, usage(err, "")
	}
	place, err := o.place(ctx, source, nil, &opts)
	if err != nil {
		return nil, usage(err, imageset.Advice(err))
	}
	view, err := o.progressFlag.open(std, 1)
	if err != nil {
		return nil, err
	}
	defer view.close()
	opts.Progress = view.begin("read")
	c, err := by(ctx, place, opts)
	if err != nil {
		return nil, badSource(err)
	}
	return newBundleAnswer(source, c), nil
}

func newBundleAnswer(source string, c *imageset.Contents) *bundleAnswer {
	a := &bundleAnswer{
		Schema: bundleSchema, Source: source, Set: c.Set.ID, Release: c.Set.Release,
		Architectures: append([]string{}, c.Set.Architectures...),
		Blobs:         len(c.Set.Blobs), Bytes: c.Set.TotalSize(), SharedBytes: c.Shared, ExtraBlobs: c.Extra,
		Images: make([]bundleImageAnswer, 0, len(c.Images)), Notes: append([]string{}, c.Notes...),
	}
	for _, i := range c.Images {
		a.Images = append(a.Images, bundleImageAnswer{
			Repository: i.Repository, Tag: i.Tag, Digest: i.Manifest, Bytes: i.Size, OwnBytes: i.Own,
			Layers: i.Layers, Architectures: append([]string{}, i.Archs...),
			ForeignLayers: append([]store.Digest{}, i.Foreign...), AbsentLayers: append([]store.Digest{}, i.Absent...),
		})
	}
	return a
}

func (a *bundleAnswer) write(std *streams, format outputFormat) error {
	if format != outputTable {
		return writeAsJSON(std.Out, format, a)
	}
	tw := tabwriter.NewWriter(std.Out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(tw, "IMAGE\tSIZE\tOWN\tLAYERS\tARCH\tFOREIGN")
	for _, i := range a.Images {
		foreign := "-"
		if n := len(i.ForeignLayers); n > 0 {
			foreign = fmt.Sprintf("%d, %d absent", n, len(i.AbsentLayers))
		}
		fmt.Fprintf(tw, "%s:%s\t%s\t%s\t%d\t%s\t%s\n", i.Repository, i.Tag, sizeText(i.Bytes), sizeText(i.OwnBytes), i.Layers,
			strings.Join(i.Architectures, ","), foreign)
	}
	if err := tw.Flush(); err != nil {
		return err
	}
	for _, n := range a.Notes {
		fmt.Fprintf(std.Err, "note: %s\n", n)
	}
	_, err := fmt.Fprintln(std.Out, a.summary())
	return err
}

func (a *bundleAnswer) summary() string {
	text := fmt.Sprintf("%d images, %d blobs, %s; shared %s", len(a.Images), a.Blobs, sizeText(a.Bytes), sizeText(a.SharedBytes))
	if a.Release.Tag != "" || a.Release.Branch != "" {
		text += fmt.Sprintf("; release %s %s", a.Release.Branch, a.Release.Tag)
	}
	if a.Seconds > 0 {
		text += fmt.Sprintf("; verified in %v", (time.Duration(a.Seconds * float64(time.Second))).Round(time.Millisecond))
	}
	return text
}
