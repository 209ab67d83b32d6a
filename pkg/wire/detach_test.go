package wire

import "testing"

func goldenDetach() golden { return golden{Detach{true, Slow, "slow"}, "000000080b010204736c6f77"} }

func TestDetach(t *testing.T) { goldenDetach().check(t) }

func TestDetachBounds(t *testing.T) {
	refused(t, TypeDetach, with(body(goldenDetach().message), 0, 2), "how it is served")
}
