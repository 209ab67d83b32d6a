package imageset

import "slices"

// An extent is the bytes from one offset to before another: from < to.
type extent struct{ from, to int64 }

// extents are the parts of a blob that are there: ascending, with gaps between them.
type extents []extent

// add enters e and returns what of it was not there before.
func (x *extents) add(e extent) (fresh []extent) {
	i, _ := slices.BinarySearchFunc(*x, e.from, func(h extent, from int64) int {
		return int(min(max(h.to-from, -1), 1))
	})
	merged, end := e, i // of those that touch e: i to before end
	for at := e.from; ; end++ {
		if end == len(*x) || (*x)[end].from > e.to {
			if at < e.to {
				fresh = append(fresh, extent{at, e.to})
			}
			break
		}
		h := (*x)[end]
		if at < h.from {
			fresh = append(fresh, extent{at, h.from})
		}
		at = max(at, h.to)
		merged = extent{min(merged.from, h.from), max(merged.to, h.to)}
	}
	*x = slices.Replace(*x, i, end, merged)
	return fresh
}

// prefix returns how many bytes are there from the beginning on.
func (x extents) prefix() int64 {
	if len(x) > 0 && x[0].from == 0 {
		return x[0].to
	}
	return 0
}
