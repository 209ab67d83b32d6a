package cli

import "testing"

func TestBitRate(t *testing.T) {
	for _, tt := range []struct {
		in, out string
		want    int64
	}{
		{"900M", "900M", 900e6},
		{"900m", "900M", 900e6},
		{"1G", "1G", 1e9},
		{"2.5g", "2500M", 2.5e9},
		{"1000000", "1M", 1e6},
		{"64K", "64000", 64e3},
	} {
		var r bitRate
		if err := r.Set(tt.in); err != nil || int64(r) != tt.want || r.String() != tt.out {
			t.Errorf("%s: %d, %q, %v, want %d, %q", tt.in, int64(r), r.String(), err, tt.want, tt.out)
		}
	}
	for _, bad := range []string{"", "M", "0", "-1M", "nan", "1e99", "1T", "1 G", "999"} {
		var r bitRate
		if err := r.Set(bad); err == nil {
			t.Errorf("%q became %d", bad, int64(r))
		}
	}
}
