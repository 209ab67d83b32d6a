package parity

import "errors"

// ErrTooFew is returned when a block lacks more packets than parity rows came.
var ErrTooFew = errors.New("parity: fewer rows than lost packets")

// A Row is a parity packet that arrived.
type Row struct {
	Number int // 0 to Rows-1
	Packet []byte
}

// A Decoder repairs blocks, one after the other. It is 5 KiB of working space.
// Not safe for concurrent use.
type Decoder struct {
	f       *field
	inverse [Rows][Rows]byte // by lost packet, then by row
}

// NewDecoder returns a decoder.
func NewDecoder() *Decoder { return &Decoder{f: newField()} }

// Decode repairs a block: data has its packets, each of the same length, where
// those whose indexes are in lost, in any order, have any content and are set.
// It uses as many of the rows as packets are lost, the first ones, and leaves
// nothing of use in their packets. Neither an index nor a row's number may be
// there twice. It panics when a number is out of bounds, or lengths differ; it
// allocates nothing.
func (d *Decoder) Decode(data [][]byte, lost []int, rows []Row) error {
	if len(rows) < len(lost) {
		return ErrTooFew
	}
	if len(lost) == 0 {
		return nil
	}
	rows = rows[:len(lost)]
	var isLost [MaxData]bool
	for _, c := range lost {
		isLost[c] = true
	}
	for c := range data {
		mustMatch(data[c], rows[0].Packet)
	}
	for from := 0; from < len(rows); from += tile {
		subtract(rows[from:min(from+tile, len(rows))], data, &isLost)
	}
	d.invert(lost, rows)
	d.solve(data, lost, rows)
	return nil
}

// subtract takes the packets that arrived out of the parity packets: what is
// left there is the sum of the lost ones only.
func subtract(rows []Row, data [][]byte, isLost *[MaxData]bool) {
	var k kernels
	for _, r := range rows {
		mustMatch(r.Packet, rows[0].Packet)
	}
	for c, p := range data {
		if isLost[c] {
			continue
		}
		for _, r := range rows {
			k.GalMulSliceXor(coefficient(r.Number, c), p, r.Packet)
		}
	}
}

// solve sets the lost packets from what subtract left.
func (d *Decoder) solve(data [][]byte, lost []int, rows []Row) {
	var k kernels
	for i, c := range lost {
		k.GalMulSlice(d.inverse[i][0], rows[0].Packet, data[c])
	}
	for j := 1; j < len(rows); j++ {
		for i, c := range lost {
			k.GalMulSliceXor(d.inverse[i][j], rows[j].Packet, data[c])
		}
	}
}

// invert inverts the e x e part of the Cauchy matrix that lost and rows choose,
// by the closed form: with x the rows' elements and y the lost packets',
//
//	inverse[i][j] = product over k of (x[j]+y[k]) (x[k]+y[i])
//	              / (x[j]+y[i]) / product over k != j of (x[j]+x[k])
//	              / product over k != i of (y[i]+y[k])
//
// That is e x e steps; elimination would take e x e x e.
func (d *Decoder) invert(lost []int, rows []Row) {
	var x, y [Rows]byte
	for j, r := range rows {
		if r.Number < 0 || r.Number >= Rows {
			panic("parity: no such row")
		}
		x[j], y[j] = byte(MaxData+r.Number), byte(lost[j])
	}
	n := len(rows)
	var byRow, byLost [Rows]int // the products' logarithms
	for i := range n {
		for k := range n {
			byRow[i] += d.f.log(x[i]^y[k]) - d.f.log(x[i]^x[k])
			byLost[i] += d.f.log(x[k]^y[i]) - d.f.log(y[i]^y[k])
		}
	}
	for i := range n {
		for j := range n {
			d.inverse[i][j] = d.f.exp(byRow[j] + byLost[i] - d.f.log(x[j]^y[i]))
		}
	}
}
