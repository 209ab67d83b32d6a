package deploy

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/daisy-mcast/daisy-mcast/pkg/agent/message"
	"github.com/daisy-mcast/daisy-mcast/pkg/control"
	"github.com/daisy-mcast/daisy-mcast/pkg/daisyconfig"
	"github.com/daisy-mcast/daisy-mcast/pkg/remote"
)

// connect opens one session for each host and for the sender, all at once, learns
// which machines they are, and gives derived addresses their names (R3).
func (r *run) connect(ctx context.Context) error {
	if err := checkFiles(r.files, len(r.hosts)); err != nil {
		return err
	}
	reaching, giveUp := context.WithCancelCause(ctx)
	defer giveUp(nil)
	var done sync.WaitGroup
	done.Go(func() { r.reachHosts(reaching) })
	if err := r.open(ctx, r.sender, r.senderSetup()); err != nil {
		giveUp(errNoSender)
		done.Wait()
		return fmt.Errorf("%w: the sender: %w", ErrNoWay, err)
	}
	r.beginImport(ctx)
	done.Wait()
	if ctx.Err() != nil {
		return ctx.Err() // who has not said what it is must not be taken for another's twin
	}
	reached := r.where((*host).isUsable)
	if len(reached) == 0 {
		return fmt.Errorf("%w; 'ssh HOST true' must work from this machine:\n  %s", ErrNoWay, r.reasons())
	}
	if err := r.identify(); err != nil {
		return err
	}
	r.refuseTwins(reached)
	r.each(ctx, "share", r.where(r.isSenderToo), r.shareWithSender)
	return r.chooseAddress(reached)
}

// errNoSender is why hosts are not connected to any more.
var errNoSender = errors.New("the sender cannot be used")

// reachHosts connects to all hosts. When it is given up for want of a sender, that is
// no fault of theirs.
func (r *run) reachHosts(ctx context.Context) {
	gate := make(chan struct{}, ConnectAtOnce)
	r.each(ctx, "connect", r.hosts, func(ctx context.Context, h *host) error {
		gate <- struct{}{}
		defer func() { <-gate }()
		err := r.open(ctx, h, r.setup(h))
		if err != nil && context.Cause(ctx) == errNoSender {
			return nil
		}
		return err
	})
}

// refuseTwins leaves out hosts that turned out to be a machine which is in the
// list already under another name (fault 61).
func (r *run) refuseTwins(hosts []*host) {
	first := make(map[string]*host)
	for _, h := range hosts {
		other := first[h.facts.Machine]
		if other == nil {
			first[h.facts.Machine] = h
			continue
		}
		h.drop()
		r.blame(h, "connect", &message.Problem{
			Reason: message.ReasonIdentity,
			Text:   fmt.Sprintf("it is the same machine as %s", other.label()),
		})
	}
}

func (r *run) setup(h *host) message.Setup {
	return message.Setup{
		BaseDir: h.cfg.BaseDir,
		Name:    r.cfg.RegistryName,
		Listen:  h.cfg.Listen,
		Mode:    r.cfg.RegistryMode,
		Engine:  r.cfg.Engine,
	}
}

// senderSetup works on the central store.
func (r *run) senderSetup() message.Setup {
	s := r.setup(r.sender)
	s.StoreDir = filepath.Join(r.sender.cfg.BaseDir, "central")
	return s
}

// open starts the agent on h and asks who it is.
func (r *run) open(ctx context.Context, h *host, setup message.Setup) error {
	ctx, cancel := r.within(ctx, ConnectTime)
	defer cancel()
	rs, out, in, err := r.dial(ctx, h)
	var broken *remote.Error
	if errors.As(err, &broken) && broken.Reason == remote.ReasonLost {
		h.lost = true // it was there: recover tries again
	}
	if err != nil {
		return err
	}
	h.session = &session{remote: rs, client: control.NewClient(out, in, r.onEvent(h))}
	if err := h.call(ctx, message.CallSetup, setup, &h.facts); err != nil {
		return err
	}
	if len(h.cfg.MACs) > 0 && !sharesMAC(h.cfg.MACs, h.facts.MACs) {
		h.drop() // nothing there may be touched
		return &message.Problem{
			Reason: message.ReasonIdentity,
			Text:   fmt.Sprintf("none of its interfaces has one of mac_addresses %v", h.cfg.MACs),
		}
	}
	return nil
}

// bootstrap starts the agent on h by a session with it.
func (r *run) bootstrap(ctx context.Context, h *host) (agentSession, io.Reader, io.Writer, error) {
	s, _, err := remote.Bootstrap(ctx, h.cfg.Remote, remote.Options{
		Program:        r.cfg.Programs,
		BaseDir:        h.cfg.BaseDir,
		Become:         h.cfg.Become,
		BecomePassword: h.cfg.BecomePassword,
	})
	if err != nil {
		return nil, nil, nil, err
	}
	return s, s.Stdout, s.Stdin, nil
}

// reasons names what is wrong with each host, a line each.
func (r *run) reasons() string {
	var lines []string
	for _, h := range r.hosts {
		if p := h.trouble(); p != nil {
			lines = append(lines, fmt.Sprintf("%s: %s", h.label(), p))
		}
	}
	return strings.Join(lines, "\n  ")
}

// identify pairs derived addresses with names.
func (r *run) identify() error {
	if r.cfg.Pair == nil {
		return nil
	}
	var proofs []daisyconfig.Proof
	for _, h := range r.where((*host).isUsable) {
		proofs = append(proofs, daisyconfig.Proof{Address: h.cfg.Address, Hostname: h.facts.Hostname, MACs: h.facts.MACs})
	}
	paired, err := r.cfg.Pair(proofs)
	var conflict *daisyconfig.Conflict
	if err != nil && !errors.As(err, &conflict) {
		return fmt.Errorf("%w: %w", ErrInput, err)
	}
	if err != nil {
		r.warn("%v", err)
	}
	r.name(paired)
	return nil
}

// drop ends the session of a host that must not be touched.
func (h *host) drop() {
	if h.session != nil {
		h.session.remote.Kill()
		h.session = nil
	}
}

// name takes over the names that machines have proved.
func (r *run) name(paired *daisyconfig.Targets) {
	for _, h := range r.hosts {
		i := slices.IndexFunc(paired.Hosts, func(t daisyconfig.Target) bool { return t.Address == h.cfg.Address })
		if h.name != "" {
			continue
		}
		if i < 0 || paired.Hosts[i].Name == "" {
			r.warn("%v: the address is derived from the ranges and no machine proved which host it is: it goes by its address", h.cfg.Address)
			continue
		}
		h.name = paired.Hosts[i].Name
		for _, role := range paired.Hosts[i].Roles {
			h.cfg.Roles = append(h.cfg.Roles, string(role))
		}
	}
}

func sharesMAC(want, have []string) bool {
	return slices.ContainsFunc(want, func(m string) bool {
		return slices.ContainsFunc(have, func(o string) bool { return strings.EqualFold(m, o) })
	})
}

// isSenderToo reports whether a target is the sender's own machine, which then has
// one registry.
func (r *run) isSenderToo(h *host) bool {
	return h.isUsable() && h.facts.Machine == r.sender.facts.Machine && r.cfg.CentralIs == nil
}

// shareWithSender joins a target to the central registry: one process, one store,
// both addresses (R11).
func (r *run) shareWithSender(ctx context.Context, h *host) error {
	h.shared = true
	setup := r.senderSetup()
	setup.Listen = h.cfg.Listen
	ctx, cancel := r.within(ctx, CallTime)
	defer cancel()
	return h.call(ctx, message.CallSetup, setup, &h.facts)
}

// chooseAddress finds the sender's address towards the hosts.
func (r *run) chooseAddress(reached []*host) error {
	mine := r.sender.facts.Addresses
	ip := r.cfg.LocalIP
	switch {
	case ip.IsValid():
		if !slices.Contains(mine, ip) {
			return fmt.Errorf("%w: %v is no address of the sender, which has %v", ErrInput, ip, mine)
		}
	case r.cfg.Management.IsValid() && slices.ContainsFunc(mine, r.cfg.Management.Contains):
		ip = mine[slices.IndexFunc(mine, r.cfg.Management.Contains)]
	case r.cfg.SenderElsewhere && slices.Contains(mine, r.sender.cfg.Address):
		ip = r.sender.cfg.Address
	case isAllShared(reached) && slices.ContainsFunc(mine, isOutward):
		ip = mine[slices.IndexFunc(mine, isOutward)] // nobody else has to reach it
	default:
		var err error
		if ip, err = routeSource(someAddress(reached, mine)); err != nil || !slices.Contains(mine, ip) {
			return fmt.Errorf("%w: the sender's address towards the hosts is not known; give --local-ip", ErrInput)
		}
	}
	r.carrier.Sender = netip.AddrPortFrom(ip, r.carrier.Sender.Port())
	if !r.cfg.Central.Addr().IsValid() {
		r.cfg.Central = netip.AddrPortFrom(ip, r.cfg.Central.Port())
	}
	return nil
}

// isAllShared reports whether the sender is the only machine of the run.
func isAllShared(hosts []*host) bool {
	return !slices.ContainsFunc(hosts, func(h *host) bool { return !h.shared })
}

// isOutward reports whether other machines may know a by the same name.
func isOutward(a netip.Addr) bool { return a.Is4() && !a.IsLoopback() && !a.IsLinkLocalUnicast() }

// someAddress is one by which a host can be reached: a given one, else what a
// host whose name only ssh knows says of itself. Those that the sender has too,
// as bridges of container engines, lead nowhere.
func someAddress(hosts []*host, senders []netip.Addr) netip.Addr {
	for _, h := range hosts {
		if h.cfg.Address.IsValid() {
			return h.cfg.Address
		}
	}
	for _, h := range hosts {
		for _, a := range h.facts.Addresses {
			if !a.IsLoopback() && !slices.Contains(senders, a) {
				return a
			}
		}
	}
	return netip.Addr{}
}
