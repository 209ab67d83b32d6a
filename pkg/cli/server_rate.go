package cli

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// bitRate is a flag: bits a second, with the suffix K, M or G for thousands,
// millions or thousand millions. 0 is no bound.
type bitRate int64

func (r *bitRate) String() string {
	switch v := int64(*r); {
	case v == 0:
		return ""
	case v%1e9 == 0:
		return strconv.FormatInt(v/1e9, 10) + "G"
	case v%1e6 == 0:
		return strconv.FormatInt(v/1e6, 10) + "M"
	default:
		return strconv.FormatInt(v, 10)
	}
}

// Set reads s, such as 900M or 2.5G.
func (r *bitRate) Set(s string) error {
	number, factor := strings.ToUpper(s), 1.0
	for suffix, f := range map[string]float64{"K": 1e3, "M": 1e6, "G": 1e9} {
		if n, ok := strings.CutSuffix(number, suffix); ok {
			number, factor = n, f
		}
	}
	v, err := strconv.ParseFloat(number, 64)
	if err != nil || math.IsNaN(v) || v*factor < 1000 || v*factor > 1e12 {
		return fmt.Errorf("%q is not a rate from 1K to 1000G", s)
	}
	*r = bitRate(v * factor)
	return nil
}

// Type is what help calls the value.
func (r *bitRate) Type() string { return "rate" }
