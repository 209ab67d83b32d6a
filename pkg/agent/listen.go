package agent

import (
	"context"
	"errors"
	"net"
	"os"
	"time"

	"github.com/daisy-mcast/daisy-mcast/pkg/agent/message"
)

// callListen opens the carrier's port on the sender, so that hosts can prove
// that they reach it (R4).
func (a *agent) callListen(_ context.Context, req message.Listen) (message.Listening, error) {
	c, err := a.carrierFor(req.Carrier)
	if err != nil {
		return message.Listening{}, err
	}
	a.dropListener()
	ln, err := c.listen(req.Carrier)
	if err != nil {
		return message.Listening{}, problem(message.ReasonSender, err)
	}
	a.mu.Lock()
	a.listener = newProbed(ln)
	a.mu.Unlock()
	return message.Listening{Pin: c.pin()}, nil
}

// takeListener hands over what callListen opened, nil when there is nothing.
func (a *agent) takeListener() *net.TCPListener {
	a.mu.Lock()
	p := a.listener
	a.listener = nil
	a.mu.Unlock()
	if p == nil {
		return nil
	}
	return p.take()
}

func (a *agent) dropListener() {
	if ln := a.takeListener(); ln != nil {
		ln.Close()
	}
}

// probed is a listener between listen and send: who connects only wants to know
// whether it can, and is let go, so that no probe is left for the carrier.
type probed struct {
	ln    *net.TCPListener
	ended chan struct{} // closed by run at its end
}

func newProbed(ln *net.TCPListener) *probed {
	p := &probed{ln: ln, ended: make(chan struct{})}
	go p.run()
	return p
}

func (p *probed) run() {
	defer close(p.ended)
	for {
		conn, err := p.ln.Accept()
		switch {
		case err == nil:
			conn.Close()
		case errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, net.ErrClosed):
			return
		default:
			time.Sleep(acceptPause)
		}
	}
}

// acceptPause is how long to wait when nothing can be accepted, for want of file
// descriptors say.
const acceptPause = 10 * time.Millisecond

// take ends the probing and returns the listener.
func (p *probed) take() *net.TCPListener {
	_ = p.ln.SetDeadline(time.Unix(1, 0))
	<-p.ended
	_ = p.ln.SetDeadline(time.Time{})
	return p.ln
}
