package wire

import "testing"

func goldenDone() golden {
	return golden{
		Done{Root: Digest(bytesFrom(0, 32)), Counters: someCounters()},
		"000000590d" + "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f" + goldenCounters,
	}
}

func TestDone(t *testing.T) { goldenDone().check(t) }
