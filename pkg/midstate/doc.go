// Package midstate is SHA-256 that can be left after some blocks of 64 bytes and taken
// up there again by whoever knows its state: eight words of 32 bits, which FIPS 180-4
// (6.2.2) calls the intermediate hash value. [Hash] is the type to know.
//
// SHA-256 is a chain: block for block a state becomes the next, from a fixed first state
// on, and the digest is the state after the last block, which ends with the length. So
// who knows the states at some offsets can verify each piece between two of them alone,
// in any order: a piece is right when it leads from the state before it to that after
// it. When all pieces are right, and each begins with the state that the one before it
// was held against, from the first state on to the digest, then all of them together
// have that digest: nothing else was computed than by hashing them in order.
//
// The states need not come from somebody who is trusted. A false one makes that a piece
// is refused; it makes no false piece right, unless two of the same length lead from one
// state, which pieces that were right led to, to another one: that is a collision of
// SHA-256.
package midstate
