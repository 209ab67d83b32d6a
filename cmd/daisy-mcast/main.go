// Command daisy-mcast distributes Kolla's container images to many hosts by
// reliable multicast. Everything it does is in pkg/cli.
package main

import (
	"os"

	"github.com/daisy-mcast/daisy-mcast/pkg/cli"
)

func main() {
	os.Exit(cli.Main(os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}
