package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"syscall"

	"github.com/daisy-mcast/daisy-mcast/pkg/pace"
	"github.com/daisy-mcast/daisy-mcast/pkg/sim"
	"github.com/daisy-mcast/daisy-mcast/pkg/wire"
)

// simulateCommand makes this program simulate a session, so that its CPU time
// and memory can be told.
const simulateCommand = "simulate"

// frameBytes is a full data packet with all headers around it.
const frameBytes = wire.DefaultPayload + wire.FrameOverhead

// simulate runs a session in virtual time, on the cores that real ones run on.
func simulate(ctx context.Context, st *stage, s shot) (got sample, err error) {
	cmd := exec.CommandContext(ctx, st.tools.self, simulateCommand,
		strconv.Itoa(s.hosts), strconv.FormatInt(st.size, 10), fmt.Sprint(s.loss))
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return got, err
	}
	got.sender.cpu = cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	got.sender.memory = cmd.ProcessState.SysUsage().(*syscall.Rusage).Maxrss << 10
	if _, err := fmt.Sscan(string(out), &got.simulated, (*int64)(&got.took), &got.sent); err != nil {
		return got, fmt.Errorf("the simulation said %q: %w", out, err)
	}
	return got, nil
}

// simulateMain prints the time that a session took over that of its data packets
// at the link's rate, the time itself, and the bytes it sent.
func simulateMain(args []string) error {
	if len(args) != 3 {
		return errors.New("usage: bench simulate HOSTS BYTES PERCENT")
	}
	hosts, err1 := strconv.Atoi(args[0])
	size, err2 := strconv.ParseUint(args[1], 10, 64)
	percent, err3 := strconv.ParseFloat(args[2], 64)
	if err := errors.Join(err1, err2, err3); err != nil {
		return err
	}
	const rate = pace.Gbps
	r := sim.Run(sim.Config{
		Seed: 1, Size: size, Hosts: sim.Same(hosts, sim.Faults{Loss: percent / 100}), Port: sim.Port{Rate: rate},
	})
	if !r.Finished || r.LastDone() == 0 {
		return errors.New("the simulated session did not finish")
	}
	ideal := float64(r.Payload) * frameBytes / float64(rate)
	fmt.Println(r.Time.Seconds()/ideal, int64(r.Time), int64(r.Sent+r.Repairs)*frameBytes)
	return nil
}
