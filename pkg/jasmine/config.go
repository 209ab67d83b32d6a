package jasmine

import (
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"time"

	"github.com/daisy-mcast/daisy-mcast/pkg/multicast"
)

// OnMissing says what a server does when clients are missing at the join
// deadline.
type OnMissing int

// The policies.
const (
	OnMissingStart OnMissing = iota // begin with those that came, if any
	OnMissingFail                   // end with ErrMissing
)

// ServerConfig configures a Server. LocalIP and Clients must be set.
type ServerConfig struct {
	LocalIP netip.Addr // one of this host's: the source of the datagrams, and what names the interface they leave by
	Group   netip.Addr // default DefaultGroup
	Port    uint16     // UDP port (default DefaultPort); clients expect the listener's
	TTL     int        // default DefaultTTL
	Clients int        // how many to wait for; more are refused

	// Interface overrides the one that LocalIP is found on, by name.
	Interface string

	// Allow lists the addresses that may join, each once; nil allows anyone,
	// any number of times.
	Allow []netip.Addr

	JoinTimeout time.Duration // for all to join (default DefaultJoinTimeout; negative: for ever)
	OnMissing   OnMissing

	// ClientTimeout is how long a client may be silent when it is its turn, or
	// not take what is sent to it, before it is dropped (default
	// DefaultClientTimeout). Several silent clients are waited for at once.
	ClientTimeout time.Duration

	// MaxLag is how long one client may hold the others up in the whole
	// session (default ClientTimeout; negative: for ever). What counts is the time
	// that it takes beyond twice that of the median client, so loss that all
	// suffer costs nobody the session.
	MaxLag time.Duration

	// MaxRate bounds the multicast in bits of the datagrams' UDP payload a
	// second. 0 sends as fast as the socket takes it.
	MaxRate int64

	Progress func(ServerProgress) // called at most twice a second, and at the end; may be nil
	Log      *slog.Logger         // default: discards

	testOnlyBufferPackets int // length of a buffer; 0 is bufferPackets
}

// ServerProgress is how far a server is.
type ServerProgress struct {
	Clients int   // in the session
	Bytes   int64 // of the stream multicast so far
	Resent  int64 // packets sent again, over all clients
}

func (c ServerConfig) withDefaults() (ServerConfig, error) {
	if c.Clients < 1 {
		return c, errors.New("jasmine: the number of clients must be 1 or more")
	}
	if !c.LocalIP.Is4() {
		return c, fmt.Errorf("jasmine: the local address %v is not IPv4", c.LocalIP)
	}
	if !c.Group.IsValid() {
		c.Group = DefaultGroup()
	}
	c.Port = orDefault(c.Port, DefaultPort)
	c.TTL = orDefault(c.TTL, DefaultTTL)
	c.JoinTimeout = orDefault(c.JoinTimeout, DefaultJoinTimeout)
	c.ClientTimeout = orDefault(c.ClientTimeout, DefaultClientTimeout)
	c.testOnlyBufferPackets = orDefault(c.testOnlyBufferPackets, bufferPackets)
	c.MaxLag = orDefault(c.MaxLag, c.ClientTimeout)
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return c, multicast.CheckGroup(c.group())
}

func (c ServerConfig) group() netip.AddrPort { return netip.AddrPortFrom(c.Group, c.Port) }

// ClientConfig configures a Client. LocalIP and Server must be set.
type ClientConfig struct {
	LocalIP netip.Addr     // one of this host's: names the interface to join on
	Server  netip.AddrPort // its TCP address; only its datagrams are taken

	ConnectTimeout time.Duration // until the server accepts (default DefaultConnectTimeout); a refused connection is tried again
	SilenceTimeout time.Duration // in a round, without a packet or a message (default DefaultSilenceTimeout)
	RoundTimeout   time.Duration // until the next round begins (default DefaultRoundTimeout; negative: for ever)

	// Finish is called after the last byte was written and before the server
	// is told so: sync and close the output here, so that an error which shows
	// only then ends the session as failed on both sides. May be nil.
	Finish func() error

	Progress func(Stats)  // called at most twice a second, and at the end; may be nil
	Log      *slog.Logger // default: discards

	// testOnlyListen makes the receiving socket; nil opens a real one.
	testOnlyListen func(group netip.AddrPort) (packetReceiver, error)
}

func (c ClientConfig) withDefaults() (ClientConfig, error) {
	if !c.LocalIP.Is4() {
		return c, fmt.Errorf("jasmine: the local address %v is not IPv4", c.LocalIP)
	}
	if !c.Server.Addr().Is4() || c.Server.Port() == 0 {
		return c, fmt.Errorf("jasmine: the server's address %v is not an IPv4 address and port", c.Server)
	}
	c.ConnectTimeout = orDefault(c.ConnectTimeout, DefaultConnectTimeout)
	c.SilenceTimeout = orDefault(c.SilenceTimeout, DefaultSilenceTimeout)
	c.RoundTimeout = orDefault(c.RoundTimeout, DefaultRoundTimeout)
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return c, nil
}

func orDefault[T int | uint16 | time.Duration](v, def T) T {
	if v == 0 {
		return def
	}
	return v
}
