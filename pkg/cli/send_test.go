package cli

import (
	"bytes"
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/spf13/pflag"

	"github.com/daisy-mcast/daisy-mcast/pkg/pace"
	"github.com/daisy-mcast/daisy-mcast/pkg/transfer"
)

// TestSendOptions: each flag says something to the transport, rates in bits a second.
func TestSendOptions(t *testing.T) {
	var o sendOptions
	fs := pflag.NewFlagSet("send", pflag.ContinueOnError)
	o.AddFlags(fs)
	err := fs.Parse(strings.Fields("--local-ip 127.0.0.1 --receivers 3 --group 239.1.2.3 --port 4000 --ttl 5 --max-rate 900M " +
		"--min-rate 20M --quorum 2 --dscp 10 --slow-hosts drop --join-timeout 7s"))
	if err == nil {
		err = o.parse()
	}
	if err != nil {
		t.Fatal(err)
	}
	want := transfer.SendConfig{
		LocalIP: netip.MustParseAddr("127.0.0.1"), Receivers: 3, Group: netip.MustParseAddrPort("239.1.2.3:4000"), TTL: 5,
		MaxRate: 900 * pace.Mbps, MinRate: 20 * pace.Mbps, Quorum: 2, DSCP: 10, Slow: transfer.Drop, JoinTimeout: 7 * time.Second,
	}
	if !reflect.DeepEqual(o.config, want) {
		t.Errorf("got %+v\nwant %+v", o.config, want)
	}
}

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
