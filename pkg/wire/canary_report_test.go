package wire

import "testing"

func goldenCanaryReport() golden {
	return golden{CanaryReport{Received: 1<<63 | 1}, "00000009048000000000000001"}
}

func TestCanaryReport(t *testing.T) { goldenCanaryReport().check(t) }
