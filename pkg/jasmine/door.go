package jasmine

import (
	"errors"
	"net"
	"net/netip"
	"time"
)

// A door accepts connections. While the session lets clients in it takes them
// from arrivals; after that the door itself turns them away.
type door struct {
	ln       net.Listener
	arrivals chan net.Conn
	shut     chan struct{} // closed by the session when it takes no more

	refused []ClientResult // owned by run until it ended
}

func newDoor(ln net.Listener) *door {
	return &door{ln: ln, arrivals: make(chan net.Conn), shut: make(chan struct{})}
}

// run accepts until the listener is closed.
func (d *door) run() {
	for {
		conn, err := d.ln.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil { // out of files, or the peer gave up: wait a little for better times
			select {
			case <-d.shut:
				return
			case <-time.After(dialPauseMax):
				continue
			}
		}
		select {
		case d.arrivals <- conn:
		case <-d.shut:
			d.refused = refuse(d.refused, conn, "the session had begun")
		}
	}
}

// refuse closes conn and appends the reason to a bounded list.
func refuse(list []ClientResult, conn net.Conn, reason string) []ClientResult {
	conn.Close()
	if len(list) >= maxRefused {
		return list
	}
	return append(list, ClientResult{Addr: remoteAddr(conn), State: Refused, Reason: reason})
}

func remoteAddr(conn net.Conn) netip.AddrPort {
	addr, ok := conn.RemoteAddr().(*net.TCPAddr)
	if !ok {
		return netip.AddrPort{}
	}
	ap := addr.AddrPort()
	return netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port())
}
