package wire

import "fmt"

// A decoder takes fields off the front of a body. After the first fault all
// that it returns is zero; err says what the fault was.
type decoder struct {
	b   []byte
	err error
}

func (d *decoder) failf(format string, args ...any) {
	if d.err == nil {
		d.err = fmt.Errorf("%w: %s", ErrFormat, fmt.Sprintf(format, args...))
	}
	d.b = nil
}

// take returns the next n bytes, which are part of the body.
func (d *decoder) take(n int) []byte {
	if len(d.b) < n {
		d.failf("%d bytes where a field of %d was due", len(d.b), n)
		return nil
	}
	b := d.b[:n:n]
	d.b = d.b[n:]
	return b
}

func (d *decoder) u8() uint8 {
	if b := d.take(1); b != nil {
		return b[0]
	}
	return 0
}

func (d *decoder) u16() uint16 {
	if b := d.take(2); b != nil {
		return be.Uint16(b)
	}
	return 0
}

func (d *decoder) u32() uint32 {
	if b := d.take(4); b != nil {
		return be.Uint32(b)
	}
	return 0
}

func (d *decoder) u64() uint64 {
	if b := d.take(8); b != nil {
		return be.Uint64(b)
	}
	return 0
}

// bounded returns n, which counts the named things, if limit permits it.
func (d *decoder) bounded(what string, n, limit uint64) uint64 {
	if n > limit {
		d.failf("%s: %d, more than %d", what, n, limit)
		return 0
	}
	return n
}

// block reads a block's number; limit is the greatest one permitted.
func (d *decoder) block(what string, limit Block) Block {
	return Block(d.bounded(what, uint64(d.u32()), uint64(limit)))
}

// rest takes all that is left, at most limit bytes.
func (d *decoder) rest(what string, limit int) []byte {
	return d.take(int(d.bounded(what, uint64(len(d.b)), uint64(limit))))
}

// finish returns the first fault; bytes that no field took are one.
func (d *decoder) finish() error {
	if len(d.b) > 0 {
		d.failf("%d bytes after the last field", len(d.b))
	}
	return d.err
}
