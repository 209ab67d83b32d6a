package wire

import "testing"

func goldenDetach() golden { return golden{Detach{Slow, "slow"}, "000000070b0204736c6f77"} }

func TestDetach(t *testing.T) { goldenDetach().check(t) }
