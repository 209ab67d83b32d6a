package ssh

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// AskpassEnv names the environment variable that makes our binary the helper
// which ssh asks for a password. Its value is the path of the socket to get it
// from; it is nothing secret. ssh gives a helper no other sign: only the prompt,
// as its only argument.
const AskpassEnv = "DAISY_MCAST_ASKPASS"

// ErrNoPassword is returned by Askpass when the prompt is not the target's, or
// the password was given out before.
var ErrNoPassword = errors.New("ssh: no password for this prompt")

// Askpass is the helper: it sends the prompt to socket and writes the password
// that comes back to out. On an error it writes nothing, and the program must
// exit with a status other than 0.
func Askpass(socket string, args []string, out io.Writer) error {
	if len(args) != 1 || os.Getenv("SSH_ASKPASS_PROMPT") != "" {
		return ErrNoPassword // a confirmation or a notice, not a question for a password
	}
	password, err := fetchPassword(socket, args[0])
	if err != nil {
		return fmt.Errorf("asking for the password: %w", err)
	}
	if len(password) == 0 {
		return ErrNoPassword
	}
	_, err = out.Write(append(password, '\n'))
	return err
}

func fetchPassword(socket, prompt string) ([]byte, error) {
	conn, err := net.DialUnix("unix", nil, &net.UnixAddr{Name: socket, Net: "unix"})
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(2 * helperTimeout)); err != nil {
		return nil, err
	}
	if _, err := io.WriteString(conn, prompt); err != nil {
		return nil, err
	}
	if err := conn.CloseWrite(); err != nil {
		return nil, err
	}
	password, err := io.ReadAll(io.LimitReader(conn, secretBytes))
	// No core file with the password, if that can be had. Not before: the desk
	// could not look at an undumpable process where /proc is mounted hidepid.
	_ = unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0)
	return password, err
}
