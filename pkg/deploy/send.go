package deploy

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/daisy-mcast/daisy-mcast/pkg/agent/message"
	"github.com/daisy-mcast/daisy-mcast/pkg/remote"
)

// send sends the pack - every blob that some host lacks - once, to all hosts
// that lack something. With nothing missing, nothing is sent.
func (r *run) send(ctx context.Context) error {
	to := r.where((*host).receives)
	pack := packFor(to)
	if pack.Len() == 0 {
		return nil
	}
	r.report.PackBytes = r.sizeOf(pack)
	ctx, cancel := r.within(ctx, r.sendTime())
	defer cancel()

	sending, stop := context.WithCancel(ctx)
	defer stop()
	ended := make(chan error, 1)   // has sendPack's error when the sender has ended
	order := r.sendOrder(pack, to) // before hosts tell what they lack anew
	go func() { ended <- r.sendPack(sending, order) }()
	select {
	case <-r.accepts:
	case err := <-ended:
		ended <- err // for below
	}
	if !isClosed(r.accepts) {
		r.blameSender(ctx, to)
		return <-ended
	}
	r.each(ctx, "send", to, func(ctx context.Context, h *host) error { return r.receiveOn(ctx, h, pack) })
	select { // it has lost all receivers, or is about to say what it has sent
	case err := <-ended:
		return err
	case <-time.After(WindUpTime):
		stop()
		return <-ended
	}
}

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// blameSender is for a sender that ended before it took anybody: hosts keep
// their sessions, and lean.
func (r *run) blameSender(ctx context.Context, hosts []*host) {
	if errors.Is(ctx.Err(), context.Canceled) {
		return // it is nobody's fault
	}
	for _, h := range hosts {
		r.blame(h, "send", &message.Problem{Reason: message.ReasonTransfer, Text: "the sender did not begin"})
	}
}

// packFor returns the union of what hosts lack.
func packFor(hosts []*host) (pack message.Indexes) {
	for _, h := range hosts {
		pack.AddAll(h.missing)
	}
	return pack
}

func (r *run) sizeOf(pack message.Indexes) (n int64) {
	for _, i := range pack.List() {
		n += r.set.Blobs[i].Size
	}
	return n
}

// sendTime leaves a part of the run's time for fall-back and proof.
func (r *run) sendTime() time.Duration {
	left := time.Until(r.deadline)
	return left - min(left/ProofShare, ProofReserve)
}

// sendOrder is what the sender is asked for.
func (r *run) sendOrder(pack message.Indexes, to []*host) message.Send {
	order := message.Send{
		Carrier:     r.carrier,
		SetID:       r.set.ID,
		Pack:        pack,
		JoinTimeout: JoinTime,
		SilentAfter: SilentAfter,
		MaxRate:     r.cfg.MaxRate,
		SlowHosts:   r.cfg.SlowHosts,
		MinRate:     r.cfg.MinRate,
		Quorum:      r.quorum(),
		DSCP:        r.cfg.DSCP,
	}
	for _, h := range to {
		order.Clients = append(order.Clients, h.checked.LocalIP)
		order.Pins = append(order.Pins, h.checked.Pin)
	}
	return order
}

// sendPack makes the sender send. What it answers is only told here, for hosts
// that wait for bytes fail each by its own account. An agent that is gone ends the
// run: nobody knows what else is gone there.
func (r *run) sendPack(ctx context.Context, order message.Send) error {
	var res message.SendResult
	err := r.sender.call(ctx, message.CallSend, order, &res)
	r.report.SentBytes, r.report.SenderRepaired = res.Bytes, res.Repaired
	switch {
	case err == nil || errors.Is(ctx.Err(), context.Canceled):
	case reasonOf(err) == "" && ctx.Err() == nil:
		return fmt.Errorf("the sender's agent was lost while it was sending; hosts keep what they served before: %w", err)
	default:
		r.warn("sending: %v", err)
	}
	for addr, why := range res.Clients {
		r.warn("%s: left out of the sending: %s", r.labelOf(addr), remote.Sanitize(why))
	}
	return nil
}

// quorum is how many of the hosts that lack something have to take part.
func (r *run) quorum() int {
	whole := r.where(func(h *host) bool { return h.canLean() && h.missing.Len() == 0 && h.trouble() == nil })
	return max(r.cfg.Quorum-len(whole), 0)
}

func (r *run) labelOf(addr string) string {
	ip, _ := netip.ParseAddr(addr)
	for _, h := range r.hosts {
		if h.checked.LocalIP == ip {
			return h.label()
		}
	}
	return addr
}

func (r *run) receiveOn(ctx context.Context, h *host, pack message.Indexes) error {
	req := message.Receive{Carrier: r.carrier, LocalIP: h.checked.LocalIP, SetID: r.set.ID, Pack: pack}
	if err := h.call(ctx, message.CallReceive, req, &h.got); err != nil {
		return err
	}
	if !h.got.Missing.Below(len(r.set.Blobs)) {
		return fmt.Errorf("it names blobs %v of %d", h.got.Missing, len(r.set.Blobs))
	}
	h.missing = h.got.Missing
	if h.got.Packets > 0 && h.got.Packets == h.got.Repaired {
		r.warn("%s: no multicast received, it was served over TCP: is IGMP or UDP %d filtered on the way?",
			h.label(), r.carrier.Group.Port())
	}
	if h.got.Problem != nil {
		return h.got.Problem
	}
	if n := h.missing.Len(); n > 0 {
		return &message.Problem{Reason: message.ReasonTransfer, Text: fmt.Sprintf("%d blobs did not arrive", n)}
	}
	return nil
}
