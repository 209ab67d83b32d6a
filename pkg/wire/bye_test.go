package wire

import "testing"

func goldenBye() golden { return golden{Bye{Reason: Finished}, "000000030e0100"} }

func TestBye(t *testing.T) { goldenBye().check(t) }
