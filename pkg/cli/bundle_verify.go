package cli

import (
	"time"

	"github.com/spf13/cobra"

	"github.com/daisy-mcast/daisy-mcast/pkg/imageset"
)

func newBundleVerifyCommand(std *streams) *cobra.Command {
	opt := bundleReadOptions{output: outputTable}
	cmd := &cobra.Command{
		Use:   "verify SOURCE",
		Short: "Check every digest and every reference of a source; exit code 2 when one is wrong",
		Long: `Check every digest and every reference of a source, and keep nothing of it. Directories
and plain tars are read by all cores; a packed one is as fast as it can be unpacked.
A packed archive of docker save is unpacked to a file in $TMPDIR on the way.

Exit codes: 0 all is well; 2 the source is damaged, inconsistent or not signed as
asked for: the image and the blob are named.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			begin := time.Now()
			answer, err := opt.read(cmd.Context(), std, args[0], imageset.Check)
			if err != nil {
				return err
			}
			answer.Seconds = time.Since(begin).Seconds()
			return answer.write(std, opt.output)
		},
	}
	opt.addFlags(cmd)
	return cmd
}
