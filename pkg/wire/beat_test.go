package wire

import "testing"

func goldenBeat() golden { return golden{Beat{Sent: 123456}, "000000090f000000000001e240"} }

func TestBeat(t *testing.T) { goldenBeat().check(t) }

func TestBeatBounds(t *testing.T) {
	refused(t, TypeBeat, with(body(goldenBeat().message), 0, 0xff), "sent")
	panics(t, Beat{Sent: MaxPackets + 1})
}
