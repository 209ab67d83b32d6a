package wire

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// A Reason says why a host is detached or a connection ends.
type Reason uint8

// The reasons. Their numbers never change.
const (
	// Finished: all is done, as it should be.
	Finished Reason = iota + 1
	// Slow: its delivery rate stayed too low for the others.
	Slow
	// Silent: nothing was heard from it.
	Silent
	// NoMulticast: it gets no packet of the group.
	NoMulticast
	// Lossy: it needed more repair than its share.
	Lossy
	// Corrupt: segments arrived with a digest that does not hold.
	Corrupt
	// Refused: no proof, an unknown certificate or a stranger.
	Refused
	// Replaced: the same identity connected again.
	Replaced
	// Incompatible: no common version.
	Incompatible
	// Misbehaved: it sent what the protocol does not permit, or too much of it.
	Misbehaved
	// Gone: what it lacks is no longer in the stream's window.
	Gone
	// Local: its own disk, reader or system gave out.
	Local
	// Interrupted: the operator ended the session.
	Interrupted
	// Exhausted: the session's packets are used up.
	Exhausted
	// Behind: its disk, or who reads from it, is too slow for the others.
	Behind
	// Late: it joined when much had been sent, and is served after the others.
	Late
	// TooLarge: small packets of the group reach it, full ones do not.
	TooLarge
)

var reasonNames = [...]string{
	Finished: "finished", Slow: "too slow", Silent: "silent",
	NoMulticast: "no multicast received", Lossy: "too much loss",
	Corrupt: "corrupt segments", Refused: "refused", Replaced: "connected again",
	Incompatible: "incompatible version", Misbehaved: "broke the protocol",
	Gone: "no longer in the stream's window", Local: "local fault",
	Interrupted: "interrupted", Exhausted: "session exhausted",
	Behind: "behind its disk", Late: "joined late",
	TooLarge: "packets larger than its network's MTU",
}

// String returns the reason in words fit for a table.
func (r Reason) String() string {
	if r == 0 || int(r) >= len(reasonNames) {
		return fmt.Sprintf("reason %d", uint8(r))
	}
	return reasonNames[r]
}

// appendReason appends a reason and its text, of which MaxText bytes travel.
func appendReason(dst []byte, r Reason, text string) []byte {
	text = clean(text)
	dst = append(dst, byte(r), byte(len(text)))
	return append(dst, text...)
}

// parseReason takes a reason that it does not know: a newer program's.
func parseReason(d *decoder) (Reason, string) {
	r := Reason(d.u8())
	n := int(d.u8())
	return r, clean(string(d.take(n)))
}

// clean makes a text fit to be sent and shown: valid UTF-8 without control
// characters, which would reach the operator's terminal, cut to MaxText bytes.
func clean(text string) string {
	text = strings.Map(func(r rune) rune {
		if r == utf8.RuneError || !unicode.IsPrint(r) {
			return '?'
		}
		return r
	}, text)
	for len(text) > MaxText {
		_, n := utf8.DecodeLastRuneInString(text)
		text = text[:len(text)-n]
	}
	return text
}
