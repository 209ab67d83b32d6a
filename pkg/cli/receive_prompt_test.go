package cli

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// openTerminal returns both ends of a new terminal: what a person types at and sees, and
// what a program has.
func openTerminal(t *testing.T) (person, program *os.File) {
	t.Helper()
	person, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { person.Close() })
	fd := int(person.Fd())
	if err := unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	n, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	program, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { program.Close() })
	return person, program
}

// TestFault77TokenIsAskedForAndNotShown: without --token-file the token is asked for at
// the terminal, and what was typed is nowhere to be seen.
func TestFault77TokenIsAskedForAndNotShown(t *testing.T) {
	person, program := openTerminal(t)
	const token = "a-token-that-nobody-sees"
	var asked bytes.Buffer
	got := make(chan string, 1)
	go func() {
		text, err := askToken(t.Context(), &streams{In: program, Err: &asked})
		if err != nil {
			t.Error(err)
		}
		got <- text
	}()
	for deadline := time.Now().Add(10 * time.Second); echoes(t, program) && time.Now().Before(deadline); {
		time.Sleep(time.Millisecond) // what is typed before it asks would show
	}
	if _, err := io.WriteString(person, token+"\r"); err != nil {
		t.Fatal(err)
	}
	if text := <-got; text != token {
		t.Errorf("read %q", text)
	}
	if !strings.HasPrefix(asked.String(), "token: ") {
		t.Errorf("asked %q", asked.String())
	}
	fd := int(person.Fd()) // which makes it one that blocks
	if err := unix.SetNonblock(fd, true); err != nil {
		t.Fatal(err)
	}
	seen := make([]byte, 4096)
	n, _ := unix.Read(fd, seen)
	if bytes.Contains(seen[:max(n, 0)], []byte(token)) {
		t.Errorf("the terminal shows %q", seen[:n])
	}
	if !echoes(t, program) {
		t.Error("the terminal does not echo any more")
	}
}

// echoes reports whether a terminal shows what is typed.
func echoes(t *testing.T, f *os.File) bool {
	t.Helper()
	state, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS)
	if err != nil {
		t.Fatal(err)
	}
	return state.Lflag&unix.ECHO != 0
}
