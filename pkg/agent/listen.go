package agent

import (
	"context"
	"net"

	"github.com/daisy-mcast/daisy-mcast/pkg/agent/message"
)

// callListen opens the carrier's port on the sender, so that hosts can prove
// that they reach it (R4). Connections from before the sending wait or go: a
// host that only probes closes its own.
func (a *agent) callListen(_ context.Context, req message.Listen) (message.Empty, error) {
	c, err := carrierFor(req.Carrier)
	if err != nil {
		return message.Empty{}, err
	}
	ln, err := c.listen(req.Carrier)
	if err != nil {
		return message.Empty{}, problem(message.ReasonSender, err)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.listener != nil {
		a.listener.Close()
	}
	a.listener = ln
	return message.Empty{}, nil
}

// takeListener hands over what callListen opened.
func (a *agent) takeListener() net.Listener {
	a.mu.Lock()
	defer a.mu.Unlock()
	ln := a.listener
	a.listener = nil
	return ln
}
