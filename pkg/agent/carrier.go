package agent

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"

	"github.com/daisy-mcast/daisy-mcast/pkg/agent/message"
)

// A carrier moves one byte space from the sender to all hosts. Adding another
// protocol means adding one to carriers.
type carrier interface {
	// listen opens the sender's TCP port.
	listen(c message.Carrier) (*net.TCPListener, error)
	// send sends src to the clients of job and closes ln.
	send(ctx context.Context, job message.Send, ln net.Listener, src io.Reader, total int64, progress func(done, total int64)) (message.SendResult, error)
	// receive writes the byte space to dst. finish is called when the last byte
	// is written, before the sender is told so.
	receive(ctx context.Context, job message.Receive, dst io.Writer, finish func() error, progress func(done int64)) (message.ReceiveResult, error)
}

// errNoMulticast is what receive's error is when the host was in the session and
// not one packet came by multicast.
var errNoMulticast = errors.New("no multicast received")

// Protocols are the names of the carriers, the default first.
func Protocols() []string { return []string{"jasmine"} }

func carrierFor(c message.Carrier) (carrier, error) {
	if c.Protocol == "jasmine" {
		return jasmineCarrier{}, nil
	}
	return nil, fmt.Errorf("unknown protocol %q", c.Protocol)
}
