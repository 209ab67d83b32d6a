// Package pace decides when the next packet may leave: a [Bucket] spreads the
// packets of a rate over time, and a [Controller] finds the rate that all hosts
// of a group can take, from what they report.
//
// The rate is that of the slowest host which keeps up with the others, as BBR
// finds it for one: the rate at which packets arrive where they queue. Loss alone
// never lowers it, since a link that loses one packet in a hundred is no slower
// for it; only a queue that grows does, marks of congestion (RFC 3168), or a test that
// shows that less is lost of less. A queue that stays although less is sent is somebody
// else's, as a TCP connection's: then half of the link is left to it. A host far slower
// than the others does not count and is told as lagging, for its owner to detach; on a
// slow link one that kept up before may be crowded out by another, and half of the link
// is tried before.
//
// Nothing here asks for the time, sleeps or starts a goroutine: each method takes
// now, the time since any fixed moment. Nothing is safe for concurrent use.
package pace
