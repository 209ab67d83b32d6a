package deploy

import (
	"net/netip"
	"time"

	"github.com/daisy-mcast/daisy-mcast/pkg/agent/message"
	"github.com/daisy-mcast/daisy-mcast/pkg/daisyconfig"
	"github.com/daisy-mcast/daisy-mcast/pkg/kolla"
	"github.com/daisy-mcast/daisy-mcast/pkg/origin"
	"github.com/daisy-mcast/daisy-mcast/pkg/progress"
	"github.com/daisy-mcast/daisy-mcast/pkg/registry"
	"github.com/daisy-mcast/daisy-mcast/pkg/remote"
)

// The timers of a run. Each is the default of a flag or a constant with a reason.
const (
	// ConnectTime bounds SSH, the copy of the program, and the agent's first
	// word: 15 s to connect, and a slow link for a program of 20 MB.
	ConnectTime = 60 * time.Second
	// JoinTime is how long the sender waits for all hosts; then those that are
	// there go on.
	JoinTime = 30 * time.Second
	// SilentAfter is how long one host may hold up the sending by jasmine (I2).
	SilentAfter = 5 * time.Second
	// TimeoutBase and TimeoutRate make the run's default deadline: ten minutes,
	// and the payload at 50 Mb/s.
	TimeoutBase = 10 * time.Minute
	TimeoutRate = 50_000_000 / 8 // bytes a second
	// CallTime bounds the short calls to a host: list, check, activate.
	CallTime = 60 * time.Second
	// BypassTime is what the search for a way around the hosts that failed may take
	// beyond the run's deadline.
	BypassTime = time.Minute
	// ServeTime bounds the start of a registry: the engine loads an image of
	// 20 MB and starts a container.
	ServeTime = 2 * time.Minute
	// ProofRate is the slowest reading of a host's own registry, bytes a
	// second, that is not a fault; with ProofTime it bounds the proof.
	ProofRate = 20_000_000
	ProofTime = time.Minute
	// ProofShare is the part of a run's time that is kept for fall-back and
	// proof after the sending, at most ProofReserve.
	ProofShare   = 4
	ProofReserve = 2 * time.Minute
	// CloseTime is what agents get to end after their session was closed.
	CloseTime = 25 * time.Second
	// LateCloseTime is the same after the run's deadline: agents that hang are
	// not waited for, and those of hosts elsewhere end without us.
	LateCloseTime = 5 * time.Second
	// WindUpTime is what the sender gets to end when no host receives any more.
	WindUpTime = 10 * time.Second
	// EndTime is how long a session whose output has ended may take to end: ssh
	// passes on the exit status after the output.
	EndTime = 2 * time.Second
	// ConnectAtOnce bounds the sessions that are being opened, not those that
	// are open: sshd takes ten unauthenticated ones from a jump host.
	ConnectAtOnce = 32
)

// A Host is a machine that the set is for.
type Host struct {
	Name    string     // "" while a derived address is not proven
	Address netip.Addr // as the operator or Daisy gave it
	Roles   []string
	MACs    []string // when known: the machine must have one of them (R3)
	Remote  remote.Host
	Become  remote.Become
	// BecomePassword is for sudo.
	BecomePassword remote.Secret
	// Listen is where its registry listens; default 127.0.0.1:4000.
	Listen  netip.AddrPort
	BaseDir string // default Config.BaseDir
	// Preload are patterns of the images to load into its engine, in place of
	// Config.PreloadImages; nil: those, empty: none.
	Preload []string
}

// A PreloadRule names images to load into hosts' engines.
type PreloadRule struct {
	Role    string // only on hosts that have it; "" is all hosts
	Pattern string // as of path.Match: a name, repository, or repository:tag
}

// A Config says what a run does. It is not changed.
type Config struct {
	Hosts []Host
	// Pair gives derived addresses their names when machines prove them (R3).
	// Nil when no address is derived.
	Pair func([]daisyconfig.Proof) (*daisyconfig.Targets, error)

	// Sender runs the central registry and sends. It may be one of Hosts too.
	Sender Host
	// SenderElsewhere reports whether Sender is another machine than this one,
	// which gets the bundle over its session (R4).
	SenderElsewhere bool
	// LocalIP is the sender's address towards the hosts. Default: its address
	// inside Management, else that of the route to the first host.
	LocalIP    netip.Addr
	Management netip.Prefix

	Bundle string         // a path on this machine, or Origin's URL
	SHA512 string         // hexadecimal, of the file; "" when not known
	Origin *origin.Config // read on the sender in place of a file; or nil
	Choice message.Choice // which images of it

	BaseDir      string // on the hosts and the sender; default remote.DefaultBaseDir
	RegistryName string // of container and unit
	RegistryMode string
	Engine       string
	Programs     func(arch string) (remote.Program, error)

	Central     netip.AddrPort // where the central registry listens; address default LocalIP
	CentralIs   *registry.Upstream
	EngineTrust bool // put the CA where engines look for it

	// Preload has the hosts' engines get the images too, by the names that Kolla
	// will use: those of PreloadImages, all when there are no rules.
	Preload       bool
	PreloadImages []PreloadRule

	Carrier message.Carrier // Sender's port, Group, TTL, Protocol
	MaxRate int64           // bits a second
	// SlowHosts, MinRate, Quorum and DSCP are of the native protocol: what becomes of
	// slow hosts, from which rate in bits a second on, how many hosts have to join and
	// to stay - those that lack nothing count - and the packets' class of service.
	SlowHosts string
	MinRate   int64
	Quorum    int
	DSCP      int

	Fallback kolla.Fallback
	// Bypass has Kolla pull from the central registry on hosts that failed, where
	// their engines can.
	Bypass      bool
	GlobalsDir  string // "" writes no drop-in
	GlobalsFile string // only read; "" when there is none
	// Partial: Hosts are not all of the cloud's. What the drop-in says of others stays.
	Partial bool
	// KollaInventory is what ansible-inventory --list printed: hosts of Kolla's
	// without a registry of ours are named (R14). May be nil.
	KollaInventory []byte

	Timeout  time.Duration // 0: see TimeoutBase
	Progress progress.Sink
}
