package jasmine

import "time"

// The protocol's constants: Daisy's, not ours to change.
const (
	// DefaultPort is the TCP and the UDP port.
	DefaultPort = 18383
	// DefaultTTL is how many hops the original server's datagrams may take.
	DefaultTTL = 8

	opReady = 0x1
	opReq   = 0x2
	opDone  = 0x4
	opSent  = 0x8

	groupInfoSize  = 16
	bufferInfoSize = 16
	headerSize     = 12
	maxPayload     = 1460 // 1500 - 20 - 8 - 12, a multiple of 4
	maxPacket      = headerSize + maxPayload
	maxCount       = 65536 // packets a buffer
)

// What we chose.
const (
	// bufferPackets is the length of the buffers that the server sends: 23.9 MB
	// or 0.19 s at 1 Gb/s. The barrier between rounds costs a millisecond or
	// two, so longer ones gain nothing; two of them, one sent and one read
	// ahead, keep the server's memory small.
	bufferPackets = 16384

	// sendBatch is how many datagrams are handed over at once: two runs of as
	// many as fit one message to the kernel.
	sendBatch = 88

	// requestChunk is how many packets a client asks for in one REQ: the
	// message fits one TCP segment, which a server that reads it in one piece
	// needs, and the answer of 374 kB outlasts the round trip of a LAN.
	requestChunk = 256

	// repairChunk is how many packets are written under one deadline.
	repairChunk = 64

	// repairFactor bounds what one client is re-sent in a round, as a multiple
	// of the round's packets. TCP loses nothing: 1 is enough for a sane client.
	repairFactor = 2

	// linger is how long a server that reads from a slow pipe waits for more
	// before it sends a buffer that is not full.
	linger = 100 * time.Millisecond

	// settle is how long a client that misses packets at SENT waits for one
	// more, each time, because on hosts with several queues TCP overtakes UDP;
	// settleMax is the most it waits so.
	settle    = 3 * time.Millisecond
	settleMax = 60 * time.Millisecond

	// dialPause and dialPauseMax are the first and the longest pause between
	// two attempts to connect to a server that is not there yet.
	dialPause    = 10 * time.Millisecond
	dialPauseMax = 500 * time.Millisecond

	// outputGrace is how long a failed client waits for a write that hangs.
	outputGrace = time.Second

	// progressEvery is the pace of Progress callbacks.
	progressEvery = 500 * time.Millisecond

	// maxRefused bounds the list of refused connections in a Result.
	maxRefused = 1000
)

// Defaults of ServerConfig and ClientConfig.
const (
	DefaultJoinTimeout    = 30 * time.Second // for all clients to join
	DefaultClientTimeout  = 15 * time.Second // a client is silent; less than the 20 s after which an original client that waits for it gives up
	DefaultConnectTimeout = 10 * time.Second // the server is not there
	DefaultSilenceTimeout = 20 * time.Second // the server is silent in a round, as the original client has it
	DefaultRoundTimeout   = 10 * time.Minute // the next round does not begin: others join or are repaired, or the input is slow
)
