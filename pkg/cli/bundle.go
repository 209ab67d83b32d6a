package cli

import (
	"errors"
	"io/fs"

	"github.com/spf13/cobra"

	"github.com/daisy-mcast/daisy-mcast/pkg/imageset"
	"github.com/daisy-mcast/daisy-mcast/pkg/origin"
	"github.com/daisy-mcast/daisy-mcast/pkg/store"
)

func newBundleCommand(std *streams) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "bundle",
		Short: "Make, look into and verify bundles of images",
		Long: `Make, look into and verify bundles of images.

A source is one of
  a bundle: a registry storage tarball (gzip, zstd or plain; any prefix), or such
    a directory
  what docker save or podman save wrote, packed or not
  an OCI layout, a directory or a tar` + liveSources,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newBundleCreateCommand(std), newBundleInspectCommand(std), newBundleVerifyCommand(std))
	return cmd
}

// liveSources are the sources that are programs, for help texts.
const liveSources = `
  registry://HOST[:PORT][/PREFIX]: a running registry, all images or those that --image
    and --image-list name; credentials from docker's configuration; HTTPS, and HTTP
    on a loopback address
  docker:// or podman://: the images of this machine's engine, one after the other, or
    those that --image names; docker:///path/to/socket for another socket`

// badSource makes what is wrong with a source bad input; the machine's own faults
// are not.
func badSource(err error) error {
	var refused *imageset.RefusedError
	for _, is := range []error{
		imageset.ErrNotBundle, imageset.ErrTruncated, imageset.ErrCorrupt, imageset.ErrUnsafe, imageset.ErrTooLarge,
		imageset.ErrCheckSum, imageset.ErrSourceChanged, imageset.ErrOrigin, origin.ErrURL, imageset.ErrConflict, store.ErrSet,
		imageset.ErrNoSpace,
		fs.ErrNotExist,
	} {
		if errors.Is(err, is) {
			return usage(err, imageset.Advice(err))
		}
	}
	if errors.As(err, &refused) {
		return usage(err, imageset.Advice(err))
	}
	return err
}
