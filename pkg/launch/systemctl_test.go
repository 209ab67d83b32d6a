package launch

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// fakeSystemctl does what systemctl would, with the units beside itself. It
// keeps what it started in NAME.state, and what is enabled in NAME.enabled.
func fakeSystemctl(args []string) int {
	dir := filepath.Dir(os.Args[0])
	if err := systemctl(dir, args); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

func systemctl(dir string, args []string) error {
	verb, unit := args[0], args[len(args)-1]
	state, enabled := filepath.Join(dir, unit+".state"), filepath.Join(dir, unit+".enabled")
	r, _ := readRecord(state)
	switch verb {
	case "daemon-reload":
		return nil
	case "enable":
		if err := os.WriteFile(enabled, nil, 0o600); err != nil {
			return err
		}
		return nil
	case "restart":
		if err := r.kill(5 * time.Second); err != nil {
			return err
		}
		return startUnit(filepath.Join(dir, "units", unit), state)
	case "disable":
		return os.Remove(enabled)
	case "stop":
		return r.kill(5 * time.Second)
	case "show":
		return showUnit(r, state, enabled)
	}
	return errors.New("unknown verb " + verb)
}

// startUnit runs ExecStart, whose words have no blanks in these tests.
func startUnit(path, state string) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	_, rest, _ := strings.Cut(string(text), "\nExecStart=")
	line, _, _ := strings.Cut(rest, "\n")
	argv := strings.Fields(line)
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return err
	}
	var r record
	r.begin(cmd.Process.Pid)
	return r.write(state)
}

func showUnit(r record, state, enabled string) error {
	active, unitState := "inactive", ""
	if r.running() {
		active = "active"
	} else if _, err := os.Stat(state); err == nil {
		active = "failed"
	}
	if _, err := os.Stat(enabled); err == nil {
		unitState = "enabled"
	} else if _, err := os.Stat(strings.TrimSuffix(enabled, ".enabled") + ".disabled"); err == nil {
		unitState = "disabled"
	}
	fmt.Println("MainPID=" + strconv.Itoa(r.PID))
	fmt.Println("ActiveState=" + active)
	fmt.Println("UnitFileState=" + unitState)
	fmt.Println("NRestarts=0")
	return nil
}
