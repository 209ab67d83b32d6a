package agent

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"runtime"
	"slices"
	"time"

	"github.com/daisy-mcast/daisy-mcast/pkg/agent/message"
	"github.com/daisy-mcast/daisy-mcast/pkg/registry"
	"github.com/daisy-mcast/daisy-mcast/pkg/store"
)

const (
	reachTimeout = 5 * time.Second
	// spareBytes stay free beside the missing blobs: links, lists, logs.
	spareBytes = 64 << 20
	// spareInodes stay free beside those of blobs and links: what is staged at a
	// time, lists, logs, the registry's own files.
	spareInodes = 128
)

// callCheck finds out whether this host can take part, before anything is sent.
func (a *agent) callCheck(ctx context.Context, req message.Check) (message.CheckResult, error) {
	st, set, err := a.open(req.SetID)
	if err != nil {
		return message.CheckResult{}, err
	}
	var res message.CheckResult
	if len(set.Architectures) > 0 && !slices.Contains(set.Architectures, runtime.GOARCH) {
		res.Platform = &message.Problem{
			Reason: message.ReasonArchitecture,
			Text:   fmt.Sprintf("the host is %s, the images are for %v", runtime.GOARCH, set.Architectures),
		}
	}
	res.Disk = checkDisk(st.Dir(), store.Room{Bytes: req.MissingBytes, Inodes: st.MissingInodes(set, req.LinkInodes)})
	if c, err := a.carrierFor(req.Carrier); err == nil { // else listen has said so
		res.Pin = c.pin()
	}
	if res.LocalIP, err = localAddress(req.Address, req.Carrier.Sender); err != nil {
		res.Sender = &message.Problem{Reason: message.ReasonAddress, Text: err.Error()}
	} else {
		res.Sender = checkSender(ctx, req.Carrier.Sender)
	}
	if err := registry.Reach(ctx, req.Upstream, set.Images[:1]...); err != nil {
		res.Central = &message.Problem{Reason: message.ReasonCentral, Text: err.Error()}
	}
	return res, nil
}

// checkDisk compares what a directory's filesystem has left with what is to come.
func checkDisk(dir string, need store.Room) *message.Problem {
	free, err := store.RoomIn(dir)
	text := ""
	switch {
	case err != nil:
		text = err.Error()
	case need.Bytes > 0 && free.Bytes < need.Bytes+spareBytes:
		text = fmt.Sprintf("%s needs %d MB more, %d MB are free", dir, (need.Bytes+spareBytes)>>20, free.Bytes>>20)
	case need.Inodes > 0 && free.Inodes < need.Inodes+spareInodes:
		text = fmt.Sprintf("%s needs %d inodes more, %d are free", dir, need.Inodes+spareInodes, free.Inodes)
	default:
		return nil
	}
	return &message.Problem{Reason: message.ReasonDisk, Text: text}
}

// localAddress is the address of this host by which packets to sender leave. On
// loopback, where all routes are alike, it is the host's own.
func localAddress(own netip.Addr, sender netip.AddrPort) (netip.Addr, error) {
	if own.IsLoopback() && sender.Addr().IsLoopback() {
		return own, nil
	}
	conn, err := net.DialUDP("udp4", nil, net.UDPAddrFromAddrPort(sender)) // sends nothing
	if err != nil {
		return netip.Addr{}, fmt.Errorf("finding the way to %v: %w", sender.Addr(), err)
	}
	defer conn.Close()
	return conn.LocalAddr().(*net.UDPAddr).AddrPort().Addr().Unmap(), nil
}

func checkSender(ctx context.Context, sender netip.AddrPort) *message.Problem {
	d := net.Dialer{Timeout: reachTimeout}
	conn, err := d.DialContext(ctx, "tcp4", sender.String())
	if err != nil {
		return &message.Problem{Reason: message.ReasonSender, Text: err.Error()}
	}
	conn.Close()
	return nil
}
