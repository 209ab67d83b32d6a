package registry

import (
	"net"
	"sync"
)

// limit bounds the connections that l gives out and that are not closed; more wait
// in the kernel. Its connections are what l's are: behind x/net/netutil's, which
// hide that, net/http does not find the way to sendfile, and a blob is copied
// through this process 32 KiB at a time.
func limit(l *net.TCPListener, n int) net.Listener {
	return &limitListener{TCPListener: l, places: make(chan struct{}, n), pollers: newPollers(), done: make(chan struct{})}
}

type limitListener struct {
	*net.TCPListener
	places  chan struct{} // one element per connection
	pollers pollers
	once    sync.Once
	done    chan struct{} // closed by Close
}

// Accept waits for a place, then for a connection.
func (l *limitListener) Accept() (net.Conn, error) {
	select {
	case l.places <- struct{}{}:
	case <-l.done:
		return nil, net.ErrClosed
	}
	c, err := l.AcceptTCP()
	if err != nil {
		<-l.places
		return nil, err
	}
	return &limitConn{TCPConn: c, pollers: l.pollers, leave: sync.OnceFunc(func() { <-l.places })}, nil
}

// Close also ends an Accept that waits for a place.
func (l *limitListener) Close() error {
	l.once.Do(func() { close(l.done) })
	return l.TCPListener.Close()
}

// A limitConn gives its place back when it is closed.
type limitConn struct {
	*net.TCPConn
	pollers pollers // of the listener
	leave   func()
}

// Close closes the connection, once.
func (c *limitConn) Close() error {
	defer c.leave()
	return c.TCPConn.Close()
}
