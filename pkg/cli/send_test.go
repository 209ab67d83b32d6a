package cli

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/daisy-mcast/daisy-mcast/pkg/pace"
	"github.com/daisy-mcast/daisy-mcast/pkg/transfer"
)

// TestSendDeadline: a file has a deadline that follows from its size and the rate that
// was asked for, a stream only the one that was given.
func TestSendDeadline(t *testing.T) {
	file := transfer.FileSource(bytes.NewReader(nil), 50e6/8*60) // a minute at 50 Mb/s
	stream := transfer.StreamSource(strings.NewReader(""))
	for _, tt := range []struct {
		name    string
		src     transfer.Source
		timeout time.Duration
		max     pace.Rate
		want    time.Duration
	}{
		{"a file", file, 0, 0, 12 * time.Minute},
		{"a file, fast", file, 0, pace.Rate(1e9 / 8), 12 * time.Minute},
		{"a file at no more than 10 Mb/s", file, 0, pace.Rate(10e6 / 8), 21 * time.Minute},
		{"a file, given", file, time.Second, 0, time.Second},
		{"a stream", stream, 0, 0, 0},
		{"a stream, given", stream, time.Second, 0, time.Second},
	} {
		o := sendOptions{timeout: tt.timeout, config: transfer.SendConfig{MaxRate: tt.max, JoinTimeout: time.Minute}}
		if got := o.deadline(tt.src); got != tt.want {
			t.Errorf("%s: %v, want %v", tt.name, got, tt.want)
		}
	}
}
