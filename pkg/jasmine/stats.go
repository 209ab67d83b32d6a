package jasmine

import "sync/atomic"

// Stats count what a client saw. All are totals of the session so far.
type Stats struct {
	Bytes      int64 // of the stream, written
	Packets    int64 // of the stream, received either way
	Lost       int64 // did not come by multicast
	Repaired   int64 // of those, came by TCP
	Duplicates int64 // came again by multicast
	Foreign    int64 // not from the server's address
	Misfits    int64 // from the server's address, but broken or not of the announced buffer
	Overflows  int64 // dropped by this host, mostly because its receive buffer was full

	ReceiveBuffer int // bytes that the kernel gave the socket, its own overhead included
}

// counters are the live Stats: any goroutine adds or reads.
type counters struct {
	bytes, packets, lost, repaired, duplicates, misfits atomic.Int64
}
