package agent

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"syscall"

	"github.com/daisy-mcast/daisy-mcast/pkg/agent/message"
	"github.com/daisy-mcast/daisy-mcast/pkg/imageset"
	"github.com/daisy-mcast/daisy-mcast/pkg/launch"
	"github.com/daisy-mcast/daisy-mcast/pkg/store"
	"github.com/daisy-mcast/daisy-mcast/pkg/transfer"
)

// A carrier moves one byte space from the sender to all hosts. Adding another
// protocol means adding one to carriers.
type carrier interface {
	// listen opens the sender's TCP port.
	listen(c message.Carrier) (*net.TCPListener, error)
	// pin is by what the other side knows this one; empty where the protocol has
	// no keys.
	pin() string
	// send sends src to the clients of job and closes ln.
	send(ctx context.Context, job message.Send, ln net.Listener, src source, progress func(done, total int64)) (message.SendResult, error)
	// receive writes the byte space to dst. finish is called when the last byte
	// is written, before the sender is told so.
	receive(ctx context.Context, job message.Receive, dst output, finish func() error, progress func(done int64)) (message.ReceiveResult, error)
}

// A source is what a carrier sends: a pack's byte space.
type source struct {
	pack imageset.Pack
	st   *store.Store
}

// An output takes a byte space: in order, and hashes it, or in segments that are proven
// by what a pack's Summer made of them.
type output interface {
	io.Writer
	transfer.SegmentWriter
}

// errNoMulticast is what receive's error is when the host was in the session and
// not one packet came by multicast.
var errNoMulticast = errors.New("no multicast received")

// Protocols are the names of the carriers, the default first.
func Protocols() []string { return []string{"native", "jasmine"} }

// carrierFor returns the carrier that c names. The native one's identity is made
// once: the hosts are told of it before anything is sent.
func (a *agent) carrierFor(c message.Carrier) (carrier, error) {
	switch c.Protocol {
	case "jasmine":
		return jasmineCarrier{}, nil
	case "native":
		id, err := a.ownIdentity()
		return nativeCarrier{id, a.log}, err
	}
	return nil, fmt.Errorf("unknown protocol %q", c.Protocol)
}

// ownIdentity returns this session's key, made when it is first asked for.
func (a *agent) ownIdentity() (*transfer.Identity, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.transferID == nil {
		id, err := transfer.NewIdentity()
		if err != nil {
			return nil, err
		}
		a.transferID = id
	}
	return a.transferID, nil
}

// listenTCP opens the sender's TCP port.
func listenTCP(c message.Carrier) (*net.TCPListener, error) {
	ln, err := net.ListenTCP("tcp4", net.TCPAddrFromAddrPort(c.Sender))
	if errors.Is(err, syscall.EADDRINUSE) {
		holder := "perhaps another run"
		if other, lerr := launch.Listener(c.Sender); lerr == nil && other.PID != 0 {
			holder = fmt.Sprintf("process %d (%s)", other.PID, strings.TrimSpace(other.Command))
		}
		return nil, fmt.Errorf("port %d is taken by %s: %w", c.Sender.Port(), holder, err)
	}
	return ln, err
}
