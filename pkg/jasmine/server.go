package jasmine

import (
	"context"
	"fmt"
	"io"
	"net"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/daisy-mcast/daisy-mcast/pkg/multicast"
)

// A Server sends one stream to many clients. The same Server may Serve several
// times, one after the other.
type Server struct {
	cfg ServerConfig
}

// NewServer returns a Server, or what is wrong with cfg.
func NewServer(cfg ServerConfig) (*Server, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	return &Server{cfg}, nil
}

// A packetSender is the socket that the server multicasts through.
type packetSender interface {
	Send(datagrams [][][]byte) error
	Unsent() uint64
	Close() error
}

// Serve waits for the clients on ln, sends them src until its end, and closes
// ln. The error is the session's: a source that cannot be read, no clients, the
// end of ctx. What became of each client is in the Result, which is valid
// beside an error too.
//
// When it ends early, a Read of src that hangs is left behind.
func (s *Server) Serve(ctx context.Context, ln net.Listener, src io.Reader) (Result, error) {
	defer ln.Close()
	if err := checkFiles(s.cfg.Clients); err != nil {
		return Result{Expected: s.cfg.Clients}, err
	}
	sender, err := dialGroup(s.cfg)
	if err != nil {
		return Result{Expected: s.cfg.Clients}, err
	}
	return s.serve(ctx, ln, src, sender)
}

func (s *Server) serve(ctx context.Context, ln net.Listener, src io.Reader, sender packetSender) (Result, error) {
	ctx, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	ss := newSession(s.cfg, sender)
	door := newDoor(ln)
	wg.Go(func() { ss.source.run(ctx, src) })
	wg.Go(door.run)
	wg.Go(func() { reportProgress(ctx, s.cfg.Progress, ss.progress) })
	stopSending := context.AfterFunc(ctx, func() { sender.Close() })

	err := ss.run(ctx, door)
	cancel()
	ln.Close()
	stopSending()
	sender.Close()
	wg.Wait()
	if s.cfg.Progress != nil {
		s.cfg.Progress(ss.progress())
	}
	return ss.result(door.refused), err
}

// dialGroup opens the sending socket.
func dialGroup(cfg ServerConfig) (*multicast.Sender, error) {
	ifi, err := findInterface(cfg)
	if err != nil {
		return nil, err
	}
	return multicast.Dial(multicast.SenderConfig{
		Group: cfg.group(), Interface: ifi, Local: cfg.LocalIP, TTL: cfg.TTL,
	})
}

func findInterface(cfg ServerConfig) (*net.Interface, error) {
	if cfg.Interface == "" {
		return multicast.InterfaceOf(cfg.LocalIP)
	}
	ifi, err := net.InterfaceByName(cfg.Interface)
	if err != nil {
		return nil, fmt.Errorf("interface %s: %w", cfg.Interface, err)
	}
	return ifi, nil
}

// otherFiles is what the process has open beside its clients' connections.
const otherFiles = 32

// checkFiles refuses a session that would run out of file descriptors in its
// middle.
func checkFiles(clients int) error {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return fmt.Errorf("reading the limit of open files: %w", err)
	}
	if need := uint64(clients) + otherFiles; limit.Cur < need {
		return fmt.Errorf("%d clients need %d open files, the limit is %d (ulimit -n)",
			clients, need, limit.Cur)
	}
	return nil
}
