package pace

import (
	"fmt"
	"time"
)

// A Rate is in bytes a second, Ethernet's headers counted: what a link's speed
// is divided by eight.
type Rate float64

// Units of rates: Mbps is 10^6 bits a second.
const (
	Kbps Rate = 1e3 / 8
	Mbps Rate = 1e6 / 8
	Gbps Rate = 1e9 / 8
)

// String returns r in bits a second, as links are sold.
func (r Rate) String() string {
	switch {
	case r >= Gbps:
		return fmt.Sprintf("%.2f Gb/s", float64(r/Gbps))
	case r >= Mbps:
		return fmt.Sprintf("%.2f Mb/s", float64(r/Mbps))
	}
	return fmt.Sprintf("%.0f kb/s", float64(r/Kbps))
}

// Time returns how long n bytes take at r, which is positive.
func (r Rate) Time(n float64) time.Duration {
	return time.Duration(n / float64(r) * float64(time.Second))
}

// per returns the rate of n bytes in d, 0 without a time.
func per(n float64, d time.Duration) Rate {
	if d <= 0 {
		return 0
	}
	return Rate(n / d.Seconds())
}
