package main

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"strconv"
	"time"

	"github.com/daisy-mcast/daisy-mcast/pkg/multicast"
	"github.com/daisy-mcast/daisy-mcast/pkg/wire"
)

// bareCommand makes this program one end of the bare sockets to compare with.
const bareCommand = "bare"

// bareRun is how many datagrams leave in one call, as in a session.
const bareRun = 44

func bareGroup() netip.AddrPort { return netip.MustParseAddrPort("239.192.77.9:18390") }

// A bareResult is what a receiver got between its first and its last datagram,
// in bytes of payload.
type bareResult struct {
	bytes int64
	took  time.Duration
}

func (r bareResult) String() string { return fmt.Sprintf("%d %d", r.bytes, r.took) }

func parseBareResult(text string) (r bareResult, err error) {
	if _, err := fmt.Sscan(text, &r.bytes, (*int64)(&r.took)); err != nil {
		return r, fmt.Errorf("a bare receiver said %q: %w", text, err)
	}
	return r, nil
}

func bareMain(args []string) error {
	switch {
	case len(args) == 3 && args[0] == "send":
		return bareSend(args[1], args[2])
	case len(args) == 2 && args[0] == "receive":
		return bareReceive(args[1])
	}
	return errors.New("usage: bench bare send IP BYTES | receive IP")
}

func bareSend(local, bytes string) error {
	size, err := strconv.ParseInt(bytes, 10, 64)
	if err != nil {
		return err
	}
	ip, ifi, err := bareInterface(local)
	if err != nil {
		return err
	}
	s, err := multicast.Dial(multicast.SenderConfig{Group: bareGroup(), Interface: ifi, Local: ip, ECN: true})
	if err != nil {
		return err
	}
	defer s.Close()
	const datagram = wire.DefaultPayload + wire.Overhead
	run := make([]byte, bareRun*datagram)
	for ; size > 0; size -= bareRun * wire.DefaultPayload {
		if err := s.SendRun(run, datagram); err != nil {
			return err
		}
	}
	return nil
}

func bareInterface(local string) (ip netip.Addr, ifi *net.Interface, err error) {
	if ip, err = netip.ParseAddr(local); err == nil {
		ifi, err = multicast.InterfaceOf(ip)
	}
	return ip, ifi, err
}

// bareReceive says that it has joined, receives until its standard input ends,
// and says what came.
func bareReceive(local string) error {
	_, ifi, err := bareInterface(local)
	if err != nil {
		return err
	}
	r, err := multicast.Listen(multicast.ReceiverConfig{
		Group: bareGroup(), Interface: ifi, Coalesce: true, BufferBytes: 16 * mib,
	})
	if err != nil {
		return err
	}
	defer r.Close()
	fmt.Println("joined")
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		r.Interrupt()
	}()
	fmt.Println(countBare(r))
	return nil
}

func countBare(r *multicast.Receiver) (got bareResult) {
	var first time.Time
	for {
		packets, err := r.Read()
		if err != nil {
			return got
		}
		now := time.Now()
		if first.IsZero() {
			first = now
		}
		got.took = now.Sub(first)
		got.bytes += int64(len(packets)) * wire.DefaultPayload
	}
}
