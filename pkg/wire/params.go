package wire

import "time"

// Version is the protocol version that this package speaks. It is in every
// packet and among the versions of a HELLO; a change that an older program
// would misread makes a new one.
const Version = 1

// ALPN is the only application protocol that a control connection offers.
const ALPN = "daisy-mcast/1"

// A datagram and its parts, in bytes.
const (
	// HeaderSize is the size of the header before every packet's payload.
	HeaderSize = 24
	// TagSize is the size of the AEAD's tag after it.
	TagSize = 16
	// Overhead is what a packet adds to its payload inside a datagram.
	Overhead = HeaderSize + TagSize
	// IPOverhead is what IPv4 and UDP add to a datagram.
	IPOverhead = 20 + 8
	// FrameOverhead is what is on the wire around a payload, Ethernet's header counted.
	FrameOverhead = Overhead + IPOverhead + 14

	// DefaultPayload fills an Ethernet frame: a datagram of 1472 bytes, which
	// IPv4 and UDP make an IP packet of 1500.
	DefaultPayload = 1500 - IPOverhead - Overhead
	// MinPayload still passes the smallest MTU that IPv4 hosts must take, 576.
	MinPayload = 576 - IPOverhead - Overhead
	// MaxPayload fills a jumbo frame of 9000 bytes.
	MaxPayload = 9000 - IPOverhead - Overhead
)

// The parts of a stream.
const (
	// BlockPackets is the number of data packets in every block but the last.
	// With ParityRows it uses up the 256 points of GF(2^8).
	BlockPackets = 192
	// ParityRows is the number of parity packets that a block can have.
	ParityRows = 64
	// SegmentBlocks is the number of blocks under one digest: 1,099,776 bytes
	// at the default payload.
	SegmentBlocks = 4
	// MaxPackets is the number of packets that one key may seal. It is far
	// below what AES-GCM permits with a counter nonce, so that neither the
	// counter nor the volume under one key is ever a question.
	MaxPackets = 1 << 28
	// MaxBlocks bounds a stream: each data packet is sent at least once.
	MaxBlocks = MaxPackets / BlockPackets
	// MaxSegments is MaxBlocks in segments.
	MaxSegments = (MaxBlocks + SegmentBlocks - 1) / SegmentBlocks
)

// Bounds of the control messages. A message that exceeds one is refused before
// anything is allocated for it.
const (
	// MaxFrame bounds a frame: its type and body, without the length.
	MaxFrame = 1 << 20
	// MaxHelloFrame bounds the first frame each way. Whoever sends it has not
	// yet proved anything.
	MaxHelloFrame = 1 + 1 + MaxVersions + 32
	// MaxVersions bounds the versions in a HELLO.
	MaxVersions = 16
	// MaxDigests bounds the digests in a SEGMENTS: 32 KiB.
	MaxDigests = 1024
	// MaxDeficits bounds the blocks in a REPORT. The receiver's 64 MiB hold
	// fewer than 256 blocks of the default size, 512 of half of it.
	MaxDeficits = 1024
	// MaxRanges bounds the ranges in a FETCH or a RESUME.
	MaxRanges = 4096
	// MaxCanaries bounds the canaries of a session: one bit each in a report.
	MaxCanaries = 64
	// MaxText bounds the text beside a reason, in bytes.
	MaxText = 255
)

// Timers. Those that depend on rates are pkg/transfer's.
const (
	// MinReportInterval is the least time between two reports of a receiver.
	MinReportInterval = 20 * time.Millisecond
	// ReportIntervalPerReceiver makes the interval grow with their number, so
	// that the sender never reads more than 10,000 reports a second, and as many
	// marks before them.
	ReportIntervalPerReceiver = 100 * time.Microsecond
	// MaxReportInterval bounds what a WELCOME may ask for.
	MaxReportInterval = time.Minute
	// BeatInterval is the time after which a side that said nothing sends a
	// BEAT, if it is the sender, or a REPORT.
	BeatInterval = 2 * time.Second
	// SilenceLimit is how long a peer may say nothing before it counts as gone.
	SilenceLimit = 10 * time.Second
)

// ReportInterval returns the time between two reports of one receiver among n.
func ReportInterval(n int) time.Duration {
	return min(max(MinReportInterval, time.Duration(n)*ReportIntervalPerReceiver), MaxReportInterval)
}
