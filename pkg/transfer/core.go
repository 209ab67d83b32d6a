package transfer

// What a loop does with the two cores. Both take now as the time since any fixed
// moment and are owned by one goroutine; neither blocks, starts a goroutine, opens
// a socket or holds a byte of the stream.
//
// # The sender's loop
//
//	s := NewSender(cfg)
//	READY of a host      s.Join(now, id); before it, s.Held(id, ...) for a RESUME
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
//	                     DONE (root checked) s.Done, connection gone s.Leave
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
//	held from before     r.SegmentVerified(seg) for each
//	a datagram           opened (else counted, r.BadTags); r.Packet(now, header):
//	                     Keep and Complete: copy the payload into the block's next
//	                     slot. A block has as many slots as data packets, 192: when
//	                     it has them all it is Complete, r.LackOf says which data
//	                     packets are to be solved for from the rows among them.
//	                     r.Marked() before it if it came with CE.
//	                     At most cfg.PoolSegments segments hold slots.
//	a segment complete   r.IsSegmentComplete(seg) after a Complete: decode, hash;
//	                     once its digest is known r.SegmentVerified(seg), when it
//	                     is written, or r.SegmentBad(seg)
//	REPAIR               r.Repair(id): as Packet
//	END                  r.End(size)
//	time                 at r.NextReport(): reports, maps := r.Report(now), sent in
//	                     this order; set, ok := r.Fetch(now): a FETCH
//	r.Finished()         send DONE
