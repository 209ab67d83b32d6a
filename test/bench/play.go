package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"
)

const (
	// tcpSlack is how much longer than the link needs the TCP stream of a round
	// may take; if it takes longer, something else disturbs the machine, and the
	// round does not count.
	tcpSlack = 1.06
	// tcpGrace is added, for the time that starting takes.
	tcpGrace = 60 * time.Millisecond
	// spoilt is how many rounds of a scene may not count.
	spoilt = 3
)

// A sample is what one transfer came to.
type sample struct {
	took      time.Duration
	arrived   int64   // bytes of payload at the receiver that got least
	sent      int64   // bytes that left the sender's interface, Ethernet headers counted
	simulated float64 // of simulations: time over the ideal
	others    float64 // cores that worked for other programs meanwhile
	sender    usage
	receivers usage // CPU of one on average, memory of the largest
}

// A round is what was measured at once.
type round struct {
	size  int64
	tcp   sample
	shots []sample
}

// A carrier sends the input of a stage to the first hosts of its bed.
type carrier struct {
	carry  func(ctx context.Context, st *stage, s shot) (sample, error)
	writes bool // the receivers' files then have the input
}

// A stage is a scene's bed with what is sent in it.
type stage struct {
	*bed
	tools tools
	input
	verbose bool
}

// play runs a scene and returns the rounds that count.
func play(ctx context.Context, t tools, s scene, o options) (rounds []round, err error) {
	fmt.Fprintf(os.Stderr, "%s\n", s.name)
	b, err := newBed(ctx, s)
	defer func() { err = errors.Join(err, b.remove()) }()
	if err != nil {
		return nil, err
	}
	st := &stage{bed: b, tools: t, verbose: o.verbose}
	if s.hosts > 0 {
		if st.input, err = makeInput(b.path("in"), s.size); err != nil {
			return nil, err
		}
	}
	want := o.rounds
	if o.quick || s.hosts == 0 {
		want = 1 // of a simulation, all are alike
	}
	st.input.size = s.size
	bad := 0
	for len(rounds) < want {
		r, err := st.round(ctx, s)
		if err != nil {
			return rounds, err
		}
		if s.isSpoilt(r) && bad < spoilt {
			fmt.Fprintln(os.Stderr, "  TCP itself was slow; once more")
			bad++
			continue
		}
		rounds = append(rounds, r)
	}
	return rounds, nil
}

// isSpoilt reports whether TCP took longer than the link explains.
func (s scene) isSpoilt(r round) bool {
	if s.mbit == 0 || s.hosts == 0 {
		return false
	}
	const frame, payload = 1514, 1448
	ideal := float64(r.size) * 8 * frame / payload / (float64(s.mbit) * 1e6)
	return r.tcp.took.Seconds() > ideal*tcpSlack+tcpGrace.Seconds()
}

func (st *stage) round(ctx context.Context, s scene) (r round, err error) {
	r.size = s.size
	if s.hosts > 0 {
		if r.tcp, err = st.shoot(ctx, shot{carrier: tcp(), hosts: 1}); err != nil {
			return r, fmt.Errorf("TCP: %w", err)
		}
		fmt.Fprintf(os.Stderr, "  TCP %.2f s", r.tcp.took.Seconds())
	}
	for i, sh := range s.shots {
		if sh.hosts == 0 {
			sh.hosts = s.hosts
		}
		got, err := st.shoot(ctx, sh)
		if err != nil {
			return r, fmt.Errorf("transfer %d (%d hosts, %g %% loss): %w", i+1, sh.hosts, sh.loss, err)
		}
		fmt.Fprintf(os.Stderr, "; %d hosts %g %%: %.2f s", sh.hosts, sh.loss, got.took.Seconds())
		r.shots = append(r.shots, got)
	}
	fmt.Fprintln(os.Stderr)
	return r, nil
}

// shoot makes one transfer, with its loss.
func (st *stage) shoot(ctx context.Context, s shot) (got sample, err error) {
	if st.hosts == 0 {
		return s.carrier.carry(ctx, st, s)
	}
	if err := st.lose(ctx, s.hosts, s.loss); err != nil {
		return got, err
	}
	if err := st.blank(s.hosts); err != nil {
		return got, err
	}
	before, err := st.sentBytes()
	if err != nil {
		return got, err
	}
	begun, busy := time.Now(), busyTime()
	got, err = s.carrier.carry(ctx, st, s)
	if err != nil {
		return got, err
	}
	after, err := st.sentBytes()
	got.others = got.othersSince(busyTime()-busy, time.Since(begun), s.hosts)
	if st.shaped { // else runs of datagrams are counted with one header
		got.sent = after - before
	}
	if err == nil && s.carrier.writes {
		err = st.check(s.hosts)
	}
	return got, errors.Join(err, st.lose(ctx, s.hosts, 0))
}
