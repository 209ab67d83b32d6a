package wire

import "testing"

func goldenReady() golden { return golden{Ready{ReceiveBuffer: 16 << 20}, "000000050301000000"} }

func TestReady(t *testing.T) { goldenReady().check(t) }
