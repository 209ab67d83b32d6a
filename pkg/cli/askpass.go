package cli

import (
	"fmt"
	"io"
	"os"

	"github.com/daisy-mcast/daisy-mcast/pkg/remote/ssh"
)

// askpass makes this process the helper that ssh asks for a password, when ssh
// started it as such; then isHelper is true and code its exit code. ssh passes
// no sub command but the prompt alone, so the sign is an environment variable.
func askpass(args []string, out, errw io.Writer) (code int, isHelper bool) {
	socket, isHelper := os.LookupEnv(ssh.AskpassEnv)
	if !isHelper {
		return ExitOK, false
	}
	if err := ssh.Askpass(socket, args, out); err != nil {
		fmt.Fprintf(errw, "daisy-mcast: %v\n", err)
		return ExitInternal, true
	}
	return ExitOK, true
}
