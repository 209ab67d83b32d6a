package jasmine

import "encoding/binary"

// checksum is the sum of p as 32-bit words in the given order, modulo 2^32, the
// last word padded with zeros.
func checksum(p []byte, order byteOrder) uint32 {
	if order == binary.BigEndian {
		return checksumBig(p)
	}
	var a, b uint32 // two chains: an addition waits for the one before
	for len(p) >= 8 {
		w := binary.LittleEndian.Uint64(p)
		a += uint32(w)
		b += uint32(w >> 32)
		p = p[8:]
	}
	if len(p) > 0 {
		var last [8]byte
		copy(last[:], p)
		w := binary.LittleEndian.Uint64(last[:])
		a += uint32(w)
		b += uint32(w >> 32)
	}
	return a + b
}

func checksumBig(p []byte) (sum uint32) {
	for len(p) >= 4 {
		sum += binary.BigEndian.Uint32(p)
		p = p[4:]
	}
	var last [4]byte
	copy(last[:], p)
	return sum + binary.BigEndian.Uint32(last[:])
}
