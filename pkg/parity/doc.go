// Package parity makes the parity packets of a block and repairs blocks with
// them: a systematic Reed-Solomon code over GF(2^8) of 192 data packets and 64
// parity rows, any of which stands in for any lost packet of its block.
//
// # The code
//
// The field is GF(2^8) modulo x^8+x^4+x^3+x^2+1 (0x11d). Parity row r, 0 to 63,
// of a block with the data packets d[0] to d[k-1], k at most 192, is byte by
// byte
//
//	p[r] = sum over c of d[c] / ((192+r) xor c)
//
// where the sum is xor and the divisor is the element with that number, which
// is never 0. A shorter block is as one whose other packets are zero, so one
// code serves every k. The rows are a Cauchy matrix: each of its square parts
// has an inverse, so each e rows repair each e losses.
//
// # Speed
//
// [Encode] makes only the rows that are asked for. [Decoder.Decode] takes what
// arrived out of the parity packets and solves for what was lost: e rows of
// work for e losses, where inverting the whole block's matrix costs fifteen
// times as much. Both use klauspost/reedsolomon's kernels, which work on 64
// bytes at a time and on the bytes that are left one by one: packets whose
// length is a multiple of 64 ([Stride]) take two thirds of the time of packets of 1432.
// What the slack holds does not matter: each byte is of a code word of its own.
//
// The package knows nothing of packets that are not lost but wrong; only
// authentic ones may come here.
package parity
