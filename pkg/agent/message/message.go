// Package message is what the deploy server and the agents say to each other
// over a control connection: the names of the calls and events, and their
// requests and results. The agent's side of each is in pkg/agent, in the file of
// the call's name.
package message

import (
	"net/netip"
	"time"

	"github.com/daisy-mcast/daisy-mcast/pkg/origin"
	"github.com/daisy-mcast/daisy-mcast/pkg/registry"
	"github.com/daisy-mcast/daisy-mcast/pkg/store"
)

// The calls, in the order in which a run makes them.
const (
	CallSetup    = "setup"    // Setup -> Facts: who are you
	CallImport   = "import"   // Import -> ImportResult: read the bundle (sender)
	CallCentral  = "central"  // Central -> registry.Upstream: serve the set (sender)
	CallReach    = "reach"    // Reach -> Empty: does that registry have the set (sender)
	CallListen   = "listen"   // Listen -> Listening: open the carrier's port (sender)
	CallList     = "list"     // List -> Have: take the set's list, say what is missing
	CallCheck    = "check"    // Check -> CheckResult: can you take part
	CallServe    = "serve"    // Serve -> Served: run the registry
	CallSend     = "send"     // Send -> SendResult (sender)
	CallReceive  = "receive"  // Receive -> ReceiveResult
	CallActivate = "activate" // Activate -> Activated: switch to the set
	CallVerify   = "verify"   // Verify -> Empty: prove that it is served
	CallPull     = "pull"     // Pull -> Empty: the engine pulls from the central registry
	CallUnpack   = "unpack"   // Unpack -> Unpacked: what images come to in an engine (sender)
	CallRoom     = "room"     // Room -> Empty: can the engine take them
	CallPreload  = "preload"  // Preload -> Preloaded: load images into the engine
)

// The events, beside the beats of the connection.
const (
	EventBytes = "bytes" // Bytes: of import, send, receive and preload
	EventNote  = "note"  // Note: a line for the operator
	EventOpen  = "open"  // Empty: the sender takes receivers from here on
)

// Empty is the result of a call that has none.
type Empty struct{}

// Reasons are the words by which a result that is an error can be told from
// others, in control.Error.Reason. They stand in the operator's table.
const (
	ReasonAddress      = "address"             // no interface or route towards the sender
	ReasonArchitecture = "architecture"        // R5
	ReasonBusy         = "busy"                // another run sends from there
	ReasonBundle       = "bundle"              // the bundle is not what it should be
	ReasonCentral      = "central unreachable" // R4
	ReasonSender       = "sender unreachable"  // R4
	ReasonDisk         = "disk full"
	ReasonEngine       = "engine"
	ReasonPort         = "port taken"   // R8
	ReasonRegistry     = "registry"     // ours does not run or does not answer
	ReasonStale        = "stale"        // could not take the set's list, R9
	ReasonMulticast    = "no multicast" // joined, but nothing arrived
	ReasonTransfer     = "transfer"     // the carrier failed
	ReasonDigest       = "digest"       // bytes arrived wrong
	ReasonStore        = "store"        // reading or writing the store
	ReasonVerify       = "verify"       // the proof at the end failed
	ReasonIdentity     = "wrong machine"
)

// Setup tells an agent what it works on. It is the first call.
type Setup struct {
	BaseDir  string `json:"base_dir"`  // holds bin, staging and the registry's files
	StoreDir string `json:"store_dir"` // default BaseDir/store
	// Name is that of the registry's container or unit.
	Name   string         `json:"name"`
	Listen netip.AddrPort `json:"listen"` // of the host's registry
	Mode   string         `json:"mode"`   // launch's modes
	Engine string         `json:"engine"` // engine's kinds
}

// Facts is what an agent knows of its host.
type Facts struct {
	Hostname string `json:"hostname"`
	// Machine tells agents on one machine and BaseDir from others: the boot's
	// identity, the network namespace and the directory.
	Machine      string       `json:"machine"`
	MACs         []string     `json:"macs"`
	Addresses    []netip.Addr `json:"addresses"`
	Architecture string       `json:"architecture"` // a GOARCH name
}

// Import tells the sender to read images into its store: of a path, or of an
// origin. With both empty the bytes of a file follow the request.
type Import struct {
	Path   string         `json:"path,omitempty"`
	Origin *origin.Config `json:"origin,omitempty"` // with the operator's access; never logged
	SHA512 string         `json:"sha512,omitempty"` // hexadecimal, of the file
	By     string         `json:"by"`               // who runs, told to others who try meanwhile
	Choice Choice         `json:"choice"`
}

// Choice says which images of a source are wanted, and what must prove them. The
// zero value takes all.
type Choice struct {
	Images        []string         `json:"images,omitempty"` // patterns, see imageset.MatchImage
	Platforms     []store.Platform `json:"platforms,omitempty"`
	RefuseForeign bool             `json:"refuse_foreign,omitempty"`
	DemandSum     bool             `json:"demand_sum,omitempty"` // a .sha512sum must lie beside a path
	Key           []byte           `json:"key,omitempty"`        // in PEM: every image must be signed by it
}

// ImportResult is the set that the bundle holds.
type ImportResult struct {
	Set *store.Set `json:"set"`
	// LinkInodes are what its links take in an empty store.
	LinkInodes int64 `json:"link_inodes"`
}

// Central tells the sender to serve its store to all hosts.
type Central struct {
	SetID  string         `json:"set_id"`
	Listen netip.AddrPort `json:"listen"`
	// Local is set when the sender is a target too: the same process then
	// serves the host's own address.
	Local netip.AddrPort `json:"local"`
}

// Reach asks the sender whether a registry of the operator's has every image of
// the set.
type Reach struct {
	SetID    string            `json:"set_id"`
	Upstream registry.Upstream `json:"upstream"`
}

// Listen opens the carrier's TCP port on the sender.
type Listen struct {
	Carrier Carrier `json:"carrier"`
}

// Listening is what the sender listens with.
type Listening struct {
	// Pin is of the sender's key, in hexadecimal; empty with protocols that have
	// none.
	Pin string `json:"pin,omitempty"`
}

// Carrier says how the bytes travel.
type Carrier struct {
	Protocol string         `json:"protocol"`      // one of the agent's Protocols
	Sender   netip.AddrPort `json:"sender"`        // TCP
	Pin      string         `json:"pin,omitempty"` // of the sender's key, once it listens
	Group    netip.AddrPort `json:"group"`
	TTL      int            `json:"ttl"`
}

// List gives a host the set's list and the central registry (R9).
type List struct {
	Set      *store.Set        `json:"set"`
	Upstream registry.Upstream `json:"upstream"`
	// Shared reports that the host's registry is the central one: it leans on
	// nobody.
	Shared bool `json:"shared"`
	// EngineCA has the host's engine trust the central registry (R12).
	EngineCA bool `json:"engine_ca"`
}

// Have is what a host lacks of the set.
type Have struct {
	Missing Indexes `json:"missing"` // into Set.Blobs
}

// Check asks whether a host can take part.
type Check struct {
	Address      netip.Addr        `json:"address"` // of the host, as the deploy server knows it
	Carrier      Carrier           `json:"carrier"`
	Upstream     registry.Upstream `json:"upstream"`
	SetID        string            `json:"set_id"`
	MissingBytes int64             `json:"missing_bytes"`
	LinkInodes   int64             `json:"link_inodes"` // as in ImportResult
}

// CheckResult holds a problem for each thing that a host cannot do. A host with
// a problem may still lean on the central registry.
type CheckResult struct {
	LocalIP  netip.Addr `json:"local_ip"`      // by which it reaches the sender
	Pin      string     `json:"pin,omitempty"` // of the host's key, as Listening.Pin
	Sender   *Problem   `json:"sender,omitempty"`
	Central  *Problem   `json:"central,omitempty"`
	Disk     *Problem   `json:"disk,omitempty"`
	Platform *Problem   `json:"platform,omitempty"`
}

// A Problem is why something cannot be done on a host.
type Problem struct {
	Reason string `json:"reason"`
	Text   string `json:"text"`
}

func (p *Problem) Error() string { return p.Text }

// Serve runs the host's registry over its store.
type Serve struct {
	// Shared reports that the central registry's process serves this host too.
	Shared bool `json:"shared"`
}

// Served says what runs.
type Served struct {
	Mode           string `json:"mode"`
	SurvivesReboot bool   `json:"survives_reboot"`
	// Changed reports whether it was started or replaced, not found running.
	Changed bool `json:"changed"`
}

// Send tells the sender to send blobs of the set, as an imageset.Pack.
type Send struct {
	Carrier     Carrier       `json:"carrier"`
	SetID       string        `json:"set_id"`
	Pack        Indexes       `json:"pack"`           // into Set.Blobs
	Clients     []netip.Addr  `json:"clients"`        // who may and should join
	Pins        []string      `json:"pins,omitempty"` // of the clients' keys, in their order
	JoinTimeout time.Duration `json:"join_timeout"`
	SilentAfter time.Duration `json:"silent_after"`
	MaxRate     int64         `json:"max_rate"` // bits a second; 0: none
	// Of the native protocol:
	SlowHosts string `json:"slow_hosts,omitempty"` // as transfer.SlowPolicy's text
	MinRate   int64  `json:"min_rate,omitempty"`   // bits a second
	Quorum    int    `json:"quorum,omitempty"`     // of Clients
	DSCP      int    `json:"dscp,omitempty"`
}

// SendResult says what left the sender.
type SendResult struct {
	Bytes    int64             `json:"bytes"` // of the pack
	Repaired int64             `json:"repaired"`
	Clients  map[string]string `json:"clients,omitempty"` // address -> why it was dropped
}

// Receive tells a host to take part in a sending.
type Receive struct {
	Carrier Carrier    `json:"carrier"`
	LocalIP netip.Addr `json:"local_ip"`
	SetID   string     `json:"set_id"`
	Pack    Indexes    `json:"pack"`
}

// ReceiveResult is what a host got. Missing is empty when it has all of the set.
type ReceiveResult struct {
	Bytes         int64    `json:"bytes"`          // of the pack, also of blobs it had
	Packets       int64    `json:"packets"`        // received either way
	Lost          int64    `json:"lost"`           // packets that did not come by multicast
	Repaired      int64    `json:"repaired"`       // of those, came another way
	RepairedBytes int64    `json:"repaired_bytes"` // of Bytes, what these packets brought
	Overflowed    int64    `json:"overflowed"`
	Missing       Indexes  `json:"missing"`
	Problem       *Problem `json:"problem,omitempty"`
}

// Activate switches a host to a set: to serve it from its own store, or, when
// Lean, to lean on the central registry for what it lacks.
type Activate struct {
	SetID string `json:"set_id"`
	Lean  bool   `json:"lean"`
}

// Activated says whether that was a change: the host may have served the set, in
// the same way, before.
type Activated struct {
	Changed bool `json:"changed"`
}

// Verify asks a host to prove over HTTP that its registry serves the set:
// all of it from its own store, or, when Lean, an image through the central
// registry (R7).
type Verify struct {
	SetID string `json:"set_id"`
	Lean  bool   `json:"lean"`
}

// Pull has the host's engine pull one image (R12).
type Pull struct {
	Reference string `json:"reference"`
	// Upstream is what the engine is told to trust first; nil when it was told.
	Upstream *registry.Upstream `json:"upstream,omitempty"`
}

// Unpack asks the sender what images of the set come to in the engines of hosts of
// an architecture.
type Unpack struct {
	SetID        string  `json:"set_id"`
	Images       Indexes `json:"images"`       // into Set.Images
	Architecture string  `json:"architecture"` // a GOARCH name
}

// Unpacked is the layers of images, each once.
type Unpacked struct {
	Layers []Layer `json:"layers"`
}

// A Layer is one as an engine keeps it.
type Layer struct {
	// Chain names the layer and all below it, as image configurations do: an
	// engine keeps one unpacked for each chain.
	Chain  string `json:"chain"`
	Bytes  int64  `json:"bytes"`  // unpacked, as far as that can be told without unpacking
	Packed int64  `json:"packed"` // bytes of its blob
}

// Room asks whether a host's engine has room for layers (R16).
type Room struct {
	SetID        string   `json:"set_id"`
	MissingBytes int64    `json:"missing_bytes"` // that the store gets beside, maybe on the same disk
	Unpacked     Unpacked `json:"unpacked"`
}

// Preload has the host's engine pull images of the set by the names that Kolla
// will use.
type Preload struct {
	SetID    string  `json:"set_id"`
	Images   Indexes `json:"images"`   // into Set.Images
	Registry string  `json:"registry"` // host:port, as Kolla's docker_registry will be
}

// Preloaded says what became of the images.
type Preloaded struct {
	Loaded  int         `json:"loaded"`
	Present int         `json:"present"` // of the same name and content before
	Faults  []LoadFault `json:"faults,omitempty"`
}

// A LoadFault is why an engine has not got an image.
type LoadFault struct {
	Image string `json:"image"` // as Kolla names it
	Text  string `json:"text"`
}

// Bytes is progress.
type Bytes struct {
	Done  int64 `json:"done"`
	Total int64 `json:"total"` // 0: not known
}

// Note is a line for the operator.
type Note struct {
	Text string `json:"text"`
}
