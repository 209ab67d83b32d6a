// Package wire has the formats of the native transport: the datagrams that a
// session multicasts and the messages of its control connections. This comment
// specifies them; docs/PROTOCOL.md#native-protocol says when each is sent.
//
// [Sealer] and [Opener] make and read datagrams, [Append] and [Parse] the
// messages, [Geometry] says how a stream is cut. The package opens no socket,
// knows no time and keeps no state but a counter. What breaks a bound given
// here is refused before anything is allocated for it: [ErrFormat], after which
// the connection is closed; a datagram is dropped and counted ([Drops]).
//
// All numbers are unsigned and big-endian, most significant byte first, without
// padding between fields. "u16" has two bytes.
//
// # A stream
//
// A stream of bytes is cut into data packets of the session's payload P (508 to
// 8932 bytes, 1432 by default: an Ethernet frame), packets into blocks of 192,
// blocks into segments of 4. The last packet, block and segment may be shorter;
// an empty stream has none. A stream has at most 1,398,101 blocks (2^28 / 192).
//
// A packet is named by its block, from 0, and its index: 0 to 191 data packets
// in order, 192 to 255 parity rows 0 to 63, also in a block that has fewer data
// packets. Data packet (b, i) is number 192 b + i of the stream and begins at P
// times that.
//
// Parity is over GF(2^8) modulo x^8+x^4+x^3+x^2+1 (0x11d). Byte by byte, row r of a
// block with the data packets d[0] to d[k-1] is the sum (xor) over c of d[c] times
// the inverse of the element (192+r) xor c. A packet that is shorter than P counts
// as filled up with zeros, and packets that a block does not have as zero. Any e rows
// stand in for any e lost data packets of their block (pkg/parity).
//
// A segment's digest is the SHA-256 of its bytes, unless both ends know that the
// stream has sums of its own: a pack's are in docs/PROTOCOL.md#the-sums-of-a-pack. The root is the SHA-256 of
// the 19 bytes "daisy-mcast 1 root" and a zero, the digests in order, and the
// stream's size as u64.
//
// # Keys
//
// A session has an id of 16 bytes and a key K of 32 bytes, both random and
// new; nothing of them is ever used again. With HKDF-SHA256 (RFC 5869), K as
// the input and the id as the salt:
//
//	packet key   info "daisy-mcast 1 packet key"    32 bytes
//	packet salt  info "daisy-mcast 1 packet salt"    4 bytes
//
// # Datagrams
//
//	offset size field
//	     0    2  magic    0xda15
//	     2    1  version  1
//	     3    1  type     1 data, 2 parity, 3 canary
//	     4    1  flags    1 of the stream's last block; else 0
//	     5    1  count    data packets of the block, 1 to 192; 192 unless last
//	     6    4  session  the first four bytes of the session's id
//	    10    8  counter  transmissions before this one, below 2^28
//	    18    4  block    below 1,398,101
//	    22    2  index    data: below count; parity: 192 to 255
//	    24    n  payload, encrypted
//	  24+n   16  tag
//
// The payload is sealed with AES-256-GCM under the packet key; the nonce is the
// packet salt and the counter, the additional data the 24 bytes before it. The
// counter is of the transmission: what is sent again has a new one. A session
// ends with [ErrExhausted] before it has sent 2^28 packets.
//
// A data packet's payload has P bytes, the stream's last one 1 to P; a parity
// packet's has P. A canary has 0 to P bytes of any content, flags, count and
// block 0, and its number, 0 to 63, as index.
//
// A receiver drops a datagram without a word when it has less than 40 bytes, or
// magic, version or session are not its own (foreign), the tag does not hold
// (forged), or, after that, a bound is broken, type and flags among them
// (malformed). There is no window against replay: a packet that was seen before
// changes nothing.
//
// # Frames
//
// A control connection is TLS 1.3 with the ALPN "daisy-mcast/1". Each way it
// carries frames:
//
//	u32  length of what follows, 1 to 1,048,576; for the first frame to 50
//	u8   message type
//	...  body: the fields below, with nothing after the last
//
// "S" is sent by the sender, "R" by a receiver. HELLO is the same in every
// version of the protocol. Types that are not listed here are refused.
//
//	1 HELLO  S R  u8    number of versions, 1 to 16
//	              u8 each, best first
//	              32    proof
//
// The receiver's proof is HMAC-SHA256, keyed with the token's secret, of the
// TLS exporter value (RFC 8446, 7.5) with the label
// "EXPORTER-daisy-mcast-1-proof", no context, 32 bytes. It is zero where both
// certificates are pinned. The sender's is zero.
//
//	2 WELCOME  S  u8    version, one of those offered
//	              16    session id
//	              32    key K
//	              4     group: an IPv4 multicast address
//	              u16   group's UDP port, not 0
//	              u16   P, 508 to 8932
//	              u16   packets of a block, 192
//	              u16   blocks of a segment, 4
//	              u8    mode: 1 file, 2 stream
//	              u64   size in bytes, at most 1,398,101 blocks; 0 in a stream
//	              u32   window in blocks, 1 to 1,398,101; 0 in a file
//	              u32   report interval, 20,000 to 60,000,000 microseconds
//	               It may come again before anything of the stream, with a smaller P
//	               and another window, and else the same.
//
//	3 READY    R  u32   bytes of the socket's receive buffer, as granted
//
//	4 CANARY_REPORT
//	           R  u64   bit 1<<i for canary i: those that came through whole
//
//	5 SEGMENTS S  u32   number of the first segment
//	              32 each, 1 to 1024 digests, the rest of the frame; the last
//	                    segment's number is below 349,526
//
//	6 END      S  u64   size in bytes, at most 1,398,101 blocks; a file's is WELCOME's
//	              u32   number of segments that this makes
//	              32    root
//
//	7 REPORT   R  u64   microseconds from the receiver's first READY to the arrival
//	                    of the packet before the counter, 0 when there was none;
//	                    less than 2^63 nanoseconds
//	              u64   highest counter of data and parity seen, plus one; 0 when
//	                    none was; at most 2^28
//	              7 u64 counters, below
//	              u32   oldest incomplete block
//	              u32   next: one past the newest block that this is about;
//	                    not below the oldest, at most 1,398,101
//	              u16   number of deficits, at most 1024, of the incomplete blocks
//	                    that the receiver has room for
//	              each  u32 block, u8 deficit 1 to 192; blocks ascending, from
//	                    the oldest to below the next
//
// A deficit is the block's count of data packets less the data and parity that are
// there, whether more is on its way or not; of a block of which nothing is known the
// count is 192. Blocks from the oldest to the next that have none are complete, or are
// not to be sent now.
//
// The counters, in both messages that have them, are totals of the session, of data
// and parity: packets received, which are those with a counter above all before, and of
// the others those that were of use; the rest of the others, duplicates; dropped by
// the socket's buffer; forged; not taken because the disk or the reader was behind,
// which are none of those before; with ECN's mark CE; and segments whose digest did
// not hold.
//
//	 8 MAP      R  u32   block, one of the deficits of the REPORT before it
//	               24    the data packets it lacks: packet i is bit 7 - i%8 of
//	                     byte i/8; 0 for those the block does not have
//
//	 9 FETCH    R  set   of data packets' numbers, below 2^28
//
//	10 REPAIR   S  u32   block
//	               u16   index, below 192
//	               1 to 8932 bytes of payload, the rest of the frame
//
//	11 DETACH   S  u8    1 if it is served alone from now on, else 0
//	               u8    reason
//	               u8    length of a text
//	               ...   the text, UTF-8
//
//	12 RESUME   R  set   of blocks, below 1,398,101; none, before READY:
//	                     the receiver looks what it holds, and will tell
//
//	13 DONE     R  32    root
//	               7 u64 counters, as in REPORT
//
//	14 BYE      S R  u8    reason
//	                 u8    length of a text
//	                 ...   the text, UTF-8
//
//	15 BEAT     S  u64   counter of the next packet, at most 2^28
//
// A set is the rest of the frame: the number of ranges, at most 4096, and for
// each the distance from the end of the one before it (from 0 for the first),
// not 0 but for the first, and its length, not 0. These are varints (LEB128:
// seven bits a byte, least significant first, the high bit on all but the last
// byte) of the fewest bytes.
//
// Reasons: 1 finished, 2 too slow, 3 silent, 4 no multicast received, 5 too
// much loss, 6 corrupt segments, 7 refused, 8 connected again, 9 incompatible
// version, 10 broke the protocol, 11 no longer in the stream's window, 12 local
// fault, 13 interrupted, 14 session exhausted, 15 behind its disk, 16 joined late,
// 17 packets larger than its network's MTU. A
// reason that is not known is shown by its number. What is not printable in a text is shown as "?".
//
// # Limitations
//
// IPv4 only. Senders do not rekey: a session has one key and ends with it, at
// 384 GB of the default packets or less what was sent again.
package wire
