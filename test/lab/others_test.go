package lab

import (
	"context"
	"os/exec"
	"testing"
	"time"
)

// TestOthers: what a program on a host works is the lab's, and the same program outside
// of it is others'.
func TestOthers(t *testing.T) {
	t.Parallel()
	l := New(t, Config{Hosts: []HostConfig{{Name: "h1"}}})
	args := []string{"sh", "-c", "i=0; while [ $i -lt 1500000 ]; do i=$((i + 1)); done"}
	stop := l.Others()
	began := time.Now()
	outside := exec.CommandContext(t.Context(), args[0], args[1:]...)
	if err := outside.Run(); err != nil {
		t.Fatal(err)
	}
	work := outside.ProcessState.UserTime()
	elapsed := time.Since(began)
	processors, known := stop()
	if !known {
		t.Log("this machine does not say whose time is whose: measurements in labs count as undisturbed")
		return
	}
	if got := time.Duration(processors * float64(elapsed)); got < work/2 {
		t.Errorf("others worked %v, and one of them alone %v", got, work)
	}

	before, err := l.usage()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if r := l.Host("h1").RunCmd(ctx, Cmd{Args: args}); !r.OK() {
		t.Fatal(r)
	}
	after, err := l.usage()
	if err != nil {
		t.Fatal(err)
	}
	if got := after.own - before.own; got < work/2 {
		t.Errorf("the lab's own work was %v, where a program of it needs %v", got, work)
	}
}
