// Command daisy-mcast-man writes the manual pages of daisy-mcast, made of its help
// texts, to a directory: `make man`. It is a program of its own so that what makes
// pages is not in the one that is copied to every host.
package main

import (
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra/doc"

	"github.com/daisy-mcast/daisy-mcast/pkg/cli"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "daisy-mcast-man:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) != 1 {
		return errors.New("usage: daisy-mcast-man DIR")
	}
	if err := os.MkdirAll(args[0], 0o755); err != nil {
		return err
	}
	root := cli.Commands()
	root.DisableAutoGenTag = true
	return doc.GenManTree(root, &doc.GenManHeader{Section: "1", Source: "daisy-mcast", Manual: "daisy-mcast"}, args[0])
}
