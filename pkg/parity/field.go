package parity

// polynomial is that of the library's field.
const polynomial = 0x11d

// order is the number of elements that are not 0: powers of 2, all of them.
const order = 255

// A field has the logarithms to base 2 of GF(2^8).
type field struct {
	logs   [256]uint8 // of 0, which has none, it is 0: a factor left out
	powers [order]byte
}

func newField() *field {
	var f field
	for i, x := 0, 1; i < order; i++ {
		f.powers[i], f.logs[x] = byte(x), uint8(i)
		if x <<= 1; x > 0xff {
			x ^= polynomial
		}
	}
	return &f
}

func (f *field) log(x byte) int { return int(f.logs[x]) }

// exp returns 2 to the power of n, which may be negative.
func (f *field) exp(n int) byte { return f.powers[(n%order+order)%order] }
