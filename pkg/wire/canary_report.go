package wire

// A CanaryReport says which canaries came through whole. The sender knows which
// way of sending each of them proves; it is sent again when more have come.
type CanaryReport struct {
	// Received has the bit 1<<i for the canary with index i.
	Received uint64
}

// Type returns TypeCanaryReport.
func (CanaryReport) Type() MessageType { return TypeCanaryReport }

func (c CanaryReport) appendBody(dst []byte) []byte { return be.AppendUint64(dst, c.Received) }

func parseCanaryReport(d *decoder) CanaryReport { return CanaryReport{Received: d.u64()} }
