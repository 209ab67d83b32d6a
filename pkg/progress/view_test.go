package progress

import (
	"testing"
	"time"
)

func at(d time.Duration) time.Time { return start.Add(d) }

func TestRateIsThatOfTheSenderOrOfTheBytes(t *testing.T) {
	var v view
	v.apply(Event{Time: at(0), Kind: StepStarted, Step: "send"})
	v.apply(Event{Time: at(0), Kind: Bytes, Sent: 0, Total: 1000})
	if _, ok := v.eta(); ok {
		t.Error("an ETA without a rate")
	}
	v.apply(Event{Time: at(time.Second), Kind: Bytes, Sent: 100, Total: 1000})
	if eta, ok := v.eta(); v.meter.rate != 100 || !ok || eta != 9*time.Second {
		t.Errorf("rate %v, eta %v, want 100 and 9s", v.meter.rate, eta)
	}
	v.apply(Event{Time: at(2 * time.Second), Kind: Bytes, Sent: 100, Total: 1000})
	if r := v.meter.rate; r <= 0 || r >= 100 {
		t.Errorf("after a stall of 1 s the rate is %v, want less than 100", r)
	}
	v.apply(Event{Time: at(3 * time.Second), Kind: Bytes, Sent: 200, Total: 1000, Rate: 400})
	if eta, _ := v.eta(); v.meter.rate != 400 || eta != 2*time.Second {
		t.Errorf("rate %v, eta %v, want 400 and 2s", v.meter.rate, eta)
	}
	for i := range 1000 {
		v.apply(Event{Time: at(time.Minute + time.Duration(i)*time.Second), Kind: Bytes, Sent: 200, Total: 1000})
	}
	if eta, ok := v.eta(); ok {
		t.Errorf("an ETA of %v after a stall of many minutes", eta)
	}
}

func TestWholeJobIsTheSumOfItsSteps(t *testing.T) {
	var v view
	want := func(want float64) {
		t.Helper()
		if got := v.jobFraction(); got < want-1e-9 || got > want+1e-9 {
			t.Errorf("job at %v, want %v", got, want)
		}
	}
	v.apply(Event{Time: at(0), Kind: StepStarted, Step: "connect", Index: 1, Of: 4})
	want(0)
	v.apply(Event{Time: at(0), Kind: StepStarted, Step: "send", Index: 2, Of: 4, Share: 0.5}) // connect is over without a word
	want(0.25)
	v.apply(Event{Time: at(0), Kind: Bytes, Sent: 50, Total: 100})
	want(0.5)
	v.apply(Event{Time: at(0), Kind: Bytes, Sent: 500, Total: 100}) // repairs
	want(0.75)
	v.apply(Event{Time: at(0), Kind: StepDone, Step: "send"})
	v.apply(Event{Time: at(0), Kind: StepDone, Step: "send"})
	want(0.75)
	v.apply(Event{Time: at(0), Kind: StepStarted, Step: "verify", Index: 4, Of: 4, Share: 7})
	v.apply(Event{Time: at(0), Kind: StepDone, Step: "verify"})
	want(1)
}

// TestStatusWithoutATotal: of a stream whose end is not known there are the bytes and the
// rate.
func TestStatusWithoutATotal(t *testing.T) {
	var v view
	v.apply(Event{Time: at(0), Kind: StepStarted, Step: "receive", Index: 1, Of: 1})
	if got, want := v.status(at(time.Second)), "running 1.0s"; got != want {
		t.Errorf("at the start %q, want %q", got, want)
	}
	v.apply(Event{Time: at(2 * time.Second), Kind: Bytes, Sent: 50e6, Rate: 25e6})
	if got, want := v.status(at(2*time.Second)), "50 MB, 25 MB/s, running 2.0s"; got != want {
		t.Errorf("later %q, want %q", got, want)
	}
}

func TestSlowestHosts(t *testing.T) {
	var v view
	v.apply(Event{Time: at(0), Kind: StepStarted, Step: "send"})
	v.apply(Event{Time: at(0), Kind: HostState, Host: "gone", State: "failed"})
	v.apply(Event{Time: at(0), Kind: HostState, Host: "silent", State: "joined"})
	v.apply(Event{Time: at(0), Kind: Bytes, Sent: 90, Total: 100, Received: map[string]int64{
		"whole": 100, "gone": 1, "c": 30, "b": 30, "a": 40, "d": 0,
	}})
	if got, want := v.slowestHosts(), "d 0 % b 30 % c 30 %"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if v.settled() != 1 || v.hostsTotal != 7 {
		t.Errorf("%d of %d hosts settled, want 1 of 7", v.settled(), v.hostsTotal)
	}
	v.apply(Event{Time: at(0), Kind: StepStarted, Step: "verify"})
	if got := v.slowestHosts(); got != "" {
		t.Errorf("the next step still has %q", got)
	}
}

func TestFormats(t *testing.T) {
	for n, want := range map[int64]string{
		0: "0 B", 999: "999 B", 1000: "1.0 kB", 9949: "9.9 kB", 9950: "10 kB", 999_499: "999 kB",
		999_500: "1.0 MB", 4_000_000_000: "4.0 GB", 1 << 62: "4.6 EB", -1: "-1 B",
	} {
		if got := formatBytes(n); got != want {
			t.Errorf("formatBytes(%d) = %q, want %q", n, got, want)
		}
	}
	for d, want := range map[time.Duration]string{
		-1: "0.0s", 0: "0.0s", 9940 * time.Millisecond: "9.9s", 9950 * time.Millisecond: "10s",
		59_499 * time.Millisecond: "59s", 59_500 * time.Millisecond: "1m00s", 187 * time.Second: "3m07s",
		time.Hour - time.Millisecond: "1h00m", 125 * time.Minute: "2h05m",
	} {
		if got := formatDuration(d); got != want {
			t.Errorf("formatDuration(%v) = %q, want %q", d, got, want)
		}
	}
}
