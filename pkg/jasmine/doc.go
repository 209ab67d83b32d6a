// Package jasmine speaks the multicast protocol of OPNFV Daisy's own programs:
// a Server sends one stream to many hosts at once, a Client receives it. Both
// work with the original programs at the other end.
//
// # Format
//
// One TCP and one UDP port, the same number. Integers are in the server's host
// order (little-endian in practice; a Client finds out from the first message).
//
//	group info   server, once, after accept   u16 family = 2, u16 port (network order), 4 address bytes, 8 bytes to ignore
//	buffer info  server, begins a round       u32 id (1, 2, ...), u32 size, u32 base, u32 count (0: end of the stream)
//	READY 0x1    client                       one byte
//	packet       server, UDP or TCP           u32 seq, u32 sum, u32 length, payload
//	SENT  0x8    server                       one byte
//	REQ   0x2    client                       one byte, u32 n, n times u32 seq
//	DONE  0x4    client                       one byte
//
// sum is that of the payload as u32 words, modulo 2^32, the last word padded
// with zeros. A payload has 1 to 1460 bytes: any packet may be short, so a
// sequence number says nothing about an offset. A round carries one buffer of
// at most 65536 packets, numbered from base; base grows by the count of the
// round before. The stream is the buffers' bytes in order of seq.
//
// # A round
//
//	server                              every client
//	buffer info   ------------------->
//	              <-------------------  READY
//	packets       ======multicast====>
//	SENT          ------------------->
//	              <-------------------  REQ, for what is missing
//	packets       -------by TCP------>  (again until nothing is missing)
//	              <-------------------  DONE
//
// The next round begins when every client is done. The round with count 0 has
// no packets and ends the session; an empty stream is that round alone.
//
// # Limitations
//
// The wire has no session, no key and no digest. A Client takes packets only
// from its server's address, only from one UDP port there, and only if they fit
// the announced buffer: so two sessions on one group are told apart by their
// servers' addresses, and two at one address end in ErrMixed. Who forges the
// server's address and port can still change bytes: check digests afterwards.
package jasmine
