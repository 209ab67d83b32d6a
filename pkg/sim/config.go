package sim

import (
	"time"

	"github.com/daisy-mcast/daisy-mcast/pkg/pace"
	"github.com/daisy-mcast/daisy-mcast/pkg/transfer"
	"github.com/daisy-mcast/daisy-mcast/pkg/wire"
)

// A Port is a switch's port, with the link behind it.
type Port struct {
	Rate  pace.Rate     // 1 Gb/s if zero
	Queue int           // bytes; 256 KiB if zero
	Delay time.Duration // one way; 50 us if zero
	// Burst is how many bytes pass at once after a pause: a token bucket that makes
	// the rate, as a shaper has it and a plain port does not.
	Burst int
	// MarkFrom is the queue in bytes from which on packets are marked (ECN).
	MarkFrom int
	// MarkOver, if set, is the rate beyond which packets are marked instead, whatever
	// queues, but for markBurst after a pause: as a policer does it.
	MarkOver pace.Rate
	// Change, if set, is another rate from a moment on.
	ChangeAt   time.Duration
	ChangeRate pace.Rate
}

func (p Port) withDefaults() Port {
	if p.Rate == 0 {
		p.Rate = pace.Gbps
	}
	if p.Queue == 0 {
		p.Queue = 256 << 10
	}
	if p.Delay == 0 {
		p.Delay = 50 * time.Microsecond
	}
	return p
}

// Faults are what happens to packets. The zero value is no fault.
type Faults struct {
	Loss                   float64       // share lost, each packet for itself
	BurstLen               time.Duration // everything is lost for so long,
	BurstGap               time.Duration // once in so long on average
	Duplicate              float64       // share that comes twice
	Reorder                float64       // share that comes late, by ReorderMin to ReorderMax
	ReorderMin, ReorderMax time.Duration
	// What comes in a stall, of a processor that does something else, is late: it comes
	// at the stall's end. They last for StallLen on average, once in StallGap.
	StallLen, StallGap time.Duration
}

// A Host is one receiver.
type Host struct {
	Faults
	// OwnPort, if set, is not shared with the others.
	OwnPort *Port
	// JoinAt is when it joins; it is there from the start if zero.
	JoinAt time.Duration
	// It does nothing and hears nothing from StopAt to ContinueAt: for ever, if
	// that is zero. StopAt zero is never.
	StopAt, ContinueAt time.Duration
	// Disk is the rate at which it writes, none if zero; it writes nothing from
	// DiskStopAt to DiskContinueAt. Its memory is Pool segments, the default if zero.
	Disk                       pace.Rate
	DiskStopAt, DiskContinueAt time.Duration
	Pool                       int
	// LeaveAt is when its connection ends, as a crash would end it.
	LeaveAt time.Duration
	// Filtered hosts get no multicast.
	Filtered bool
	// Holds is the share of the segments, from the first, that it has already.
	Holds float64
	// Gaps, when set, is of how many of these it lacks one.
	Gaps uint32
}

// A Config is a session to be run.
type Config struct {
	Seed  uint64
	Hosts []Host
	Size  uint64
	Mode  wire.Mode // File if zero
	// Uplink is the rate of the sender's interface, none if zero.
	Uplink pace.Rate
	Port   Port
	// StartAt is when the sender starts; hosts join then, or later.
	StartAt time.Duration
	// Flows are TCP connections through the common port.
	Flows []Flow
	// Shared faults happen before the switch: all hosts lose the same.
	Shared Faults
	// Control is the time that a control message takes, 200 us if zero.
	Control time.Duration
	// Source is the rate of the source in Stream mode; none if zero.
	Source   pace.Rate
	MaxRate  pace.Rate
	Slow     transfer.SlowPolicy
	MinRate  pace.Rate // see transfer.SenderConfig, as Quorum
	Quorum   int
	PoolSize int // blocks; the default if zero
	// Limit ends the session; 10 minutes if zero.
	Limit time.Duration
	// Bytes makes packets carry bytes.
	Bytes bool
	// TraceEvery makes Result.Trace have a point that often.
	TraceEvery time.Duration
}

// Same returns n hosts with the same faults.
func Same(n int, f Faults) []Host {
	hosts := make([]Host, n)
	for i := range hosts {
		hosts[i].Faults = f
	}
	return hosts
}

// A HostResult is how one host fared.
type HostResult struct {
	// DoneAt is when it held everything; zero if it never did.
	DoneAt time.Duration
	// Detached counts how often it was; Reason is why, the last time.
	Detached int
	Reason   wire.Reason
	// Attached counts how often it was attached again, in the main pass or later.
	Attached int
	// IsAlone and IsFailed tell whether it ended up there.
	IsAlone, IsFailed bool
	Counters          wire.Counters
}

// A Point is a moment of a session.
type Point struct {
	At      time.Duration
	Rate    pace.Rate // at which packets leave
	Sent    int       // packets so far
	Dropped int       // packets lost at ports' queues so far
	Flows   int       // packets of TCP flows that have arrived
	State   string    // of the search for the rate
}

// A Result is what happened.
type Result struct {
	Hosts    []HostResult
	Finished bool          // the sender thinks so
	NoQuorum bool          // it ended since too few were left
	Time     time.Duration // when the sender finished, or gave up
	Payload  int           // data packets of the stream
	Sent     int           // packets sent by multicast
	Rows     int           // of these parity rows
	Again    int           // and data packets sent before
	Repairs  int           // packets sent one to one
	Reports  int           // that reached the sender
	Maps     int
	// MaxReports is the greatest number of reports within 100 ms.
	MaxReports int
	Dropped    int           // by queues of ports
	LastDrop   time.Duration // when, last
	FoundAt    time.Duration // when the search for the rate had ended
	BadCopies  int           // hosts that are done with wrong bytes, with Config.Bytes
	Trace      []Point
	Hash       uint64
}

// Overhead returns the share of the payload that was sent again, in any form.
func (r *Result) Overhead() float64 {
	return float64(r.Sent+r.Repairs-r.Payload) / float64(r.Payload)
}

// LastDone returns when the last of some hosts held everything, 0 if one of them
// never did. Without hosts, all are meant.
func (r *Result) LastDone(hosts ...int) (last time.Duration) {
	for i, h := range r.Hosts {
		isMeant := len(hosts) == 0
		for _, j := range hosts {
			isMeant = isMeant || i == j
		}
		if !isMeant {
			continue
		}
		if h.DoneAt == 0 {
			return 0
		}
		last = max(last, h.DoneAt)
	}
	return last
}
