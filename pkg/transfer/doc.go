// Package transfer is the native transport: one pass over multicast at the rate
// that the group takes, whatever the number of hosts, with what was lost repaired
// by parity while the rest goes on.
//
// Its cores are [Sender] and [Receiver]: state machines that decide which packet
// leaves when and keep account of what arrived. They do no I/O, start no goroutine
// and never ask for the time; pkg/sim runs the same code in virtual time. The loops
// around them own sockets, TLS, files and clocks.
//
// # How it works
//
// Blocks of 192 data packets go out interleaved, as many as are sent in 20 ms, 1 to
// 16. Every host reports each max(20 ms, N x 100 us): no more than 10,000 reports a
// second reach the sender, and as many marks, whatever the number N of hosts. A report
// tells of each incomplete block how many packets it needs. For each block the sender
// sends as many parity rows as the worst of these asks, each row once; reports are read
// against the counters of what was sent, so that rows under way are not sent twice.
// When the 64 rows of a block are used up, hosts add maps, and those data packets
// are sent again that help the most hosts.
//
// A host that gets less than half of what the median host gets, or loses far more,
// or falls silent, for 200 ms, is detached, unless most are like it; it has no say
// meanwhile. After the main pass the detached and the late are served as a group of
// their own, twice at most, then one by one.
//
// # How a loop drives the cores
//
// Both take now as the time since any fixed moment, are owned by one goroutine, and hold
// no byte of the stream.
//
// # The sender's loop
//
//	s := NewSender(cfg)
//	READY of a host      s.Join(now, id, held); s.Held(id, ...) for a later RESUME
//	all have joined      s.Start(now)
//	memory               n, ok := s.NextRead(): read block n into a buffer of its
//	                     own, then s.BlockReady(now, n, packets). Past the end of a
//	                     stream: s.Unread(n). After the last read: s.End(now, size).
//	                     A Released event frees the buffer. At most cfg.PoolBlocks
//	                     are out at any time: 64 MiB by default.
//	packets              id, ok, wait := s.NextPacket(now) until !ok. Its block is in
//	                     memory. Index.IsParity asks for a parity row: s.Rows, called
//	                     before NextPacket, tells which rows of a block come next, so
//	                     that they are encoded at once; an encoder may as well make
//	                     a row when it is asked for. Seal in this order: the n-th
//	                     packet has s.Counter() == n before the call. A canary that
//	                     was sealed is told by s.Sealed(now).
//	one to one           to, id, ok, wait := s.NextRepair(now): read packet id from
//	                     the source and send a REPAIR to the host.
//	messages             REPORT s.Report, MAP s.Map (after its REPORT), FETCH s.Fetch,
//	                     DONE (root checked) s.Done, connection gone s.Leave, or
//	                     s.Away and s.Back where it may come again
//	time                 next := s.Tick(now), at the latest at next, and after each
//	                     batch of messages
//	after any of these   for e := range s.Events(): Detached and Alone are told to
//	                     the host by DETACH, Failed by BYE; then until s.Finished()
//
// A host that gets DETACH calls Alone on its Receiver if the reason is one to one:
// NoMulticast, or a second DETACH.
//
// # The receiver's loop
//
//	r := NewReceiver(now, cfg)         at READY
//	held from before     r.SegmentVerified(seg) for each, also later: a Journal
//	                     names them, and its bytes are hashed anew
//	a datagram           opened (else counted, r.BadTags); r.Packet(now, header):
//	                     Keep and Complete: copy the payload into the block's next
//	                     slot. A block has as many slots as data packets, 192: when
//	                     it has them all it is Complete, r.LackOf says which data
//	                     packets are to be solved for from the rows among them.
//	                     r.Marked() before it if it came with CE.
//	                     At most cfg.PoolSegments segments hold slots.
//	a segment complete   r.IsSegmentComplete(seg) after a Complete: decode, verify;
//	                     once its digest is known r.SegmentVerified(seg), when it
//	                     is written, or r.SegmentBad(seg): it returns the segments
//	                     whose packets are to be forgotten besides
//	REPAIR               r.Repair(id): as Packet
//	END                  r.End(size); the last segment may be complete by it
//	time                 at r.NextReport(): reports, maps := r.Report(now), sent in
//	                     this order; set, ok := r.Fetch(now): a FETCH
//	r.Finished()         send DONE
package transfer
