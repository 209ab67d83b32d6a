package store

import (
	"fmt"
	"slices"
	"sort"

	"github.com/daisy-mcast/daisy-mcast/pkg/midstate"
)

// A span is bytes of a blob that were proven to lead from one state of SHA-256 to
// another; see pkg/midstate. What is before the first byte of a blob and after the last
// is the same for all spans, the first state and the digest, and not looked at.
type span struct {
	from, to      int64 // 0 <= from < to <= the blob's size
	before, after midstate.State
}

// A chain is the spans of a blob: ascending, with gaps between them, since those that
// meet become one. A blob is proven when one span is all of it.
type chain []span

// endAfter returns the first span that ends after an offset.
func (c chain) endAfter(off int64) int {
	return sort.Search(len(c), func(i int) bool { return c[i].to > off })
}

// has reports whether all bytes of p are there.
func (c chain) has(p span) bool {
	i := c.endAfter(p.from)
	return i < len(c) && c[i].from <= p.from && p.to <= c[i].to
}

// with returns the chain with p; c stays as it is. The error wraps ErrDigestMismatch when p and what it
// meets are not of one mind about the state between them, or some of it is there.
func (c chain) with(p span) (chain, error) {
	i := c.endAfter(p.from)
	first, end := i, i // of those that it meets
	if i < len(c) && c[i].from < p.to {
		return nil, fmt.Errorf("%w: of bytes %d to %d some are there", ErrDigestMismatch, p.from, p.to)
	}
	if i > 0 && c[i-1].to == p.from {
		if c[i-1].after != p.before {
			return nil, fmt.Errorf("%w: what is before byte %d leads to another state", ErrDigestMismatch, p.from)
		}
		first--
		p.from, p.before = c[first].from, c[first].before
	}
	if i < len(c) && c[i].from == p.to {
		if c[i].before != p.after {
			return nil, fmt.Errorf("%w: what is after byte %d begins with another state", ErrDigestMismatch, p.to)
		}
		end++
		p.to, p.after = c[i].to, c[i].after
	}
	return slices.Concat(c[:first], chain{p}, c[end:]), nil
}

// size returns how many bytes are there.
func (c chain) size() (n int64) {
	for _, p := range c {
		n += p.to - p.from
	}
	return n
}
