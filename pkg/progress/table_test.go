package progress

import (
	"bytes"
	"errors"
	"fmt"
	"testing"
	"time"
)

func TestTable(t *testing.T) {
	rows := []Row{
		{Host: "controller01", Address: "10.20.11.3", Outcome: Local, Duration: 83 * time.Second, Received: 4_012_345_678, Repaired: 12_345_678},
		{Host: "computer02", Address: "10.20.11.12", Outcome: Central, Reason: "disk: 1.2 GB missing in /var/lib/daisy-mcast", Duration: 9 * time.Second},
		{Host: "compüter03", Address: "fd00::12", Outcome: Failed, Reason: "port 4000 belongs to\n\x1b[2Jnginx, pid 17"},
	}
	var out bytes.Buffer
	if err := RenderTable(&out, rows); err != nil {
		t.Fatal(err)
	}
	fmt.Fprintln(&out, Summary(rows))
	golden(t, "table.golden", out.Bytes())
}

func TestFault75TableWhenEverythingFails(t *testing.T) {
	reasons := []string{"unreachable", "auth", "host key changed", "disk", "stale"}
	var rows []Row
	for i, reason := range reasons {
		rows = append(rows, Row{Host: fmt.Sprintf("host%02d", i), Address: fmt.Sprintf("10.0.0.%d", i), Outcome: Failed, Reason: reason})
	}
	var out bytes.Buffer
	if err := RenderTable(&out, rows); err != nil {
		t.Fatal(err)
	}
	fmt.Fprintln(&out, Summary(rows))
	golden(t, "failed.golden", out.Bytes())
}

func TestSummary(t *testing.T) {
	for _, tt := range []struct {
		rows []Row
		want string
	}{
		{nil, "0 hosts"},
		{[]Row{{Outcome: Local}}, "1 host: 1 local"},
		{[]Row{{Outcome: Failed}, {Outcome: Local}, {Outcome: Failed}}, "3 hosts: 1 local, 2 failed"},
	} {
		if got := Summary(tt.rows); got != tt.want {
			t.Errorf("got %q, want %q", got, tt.want)
		}
	}
}

type brokenWriter struct{ err error }

func (w brokenWriter) Write([]byte) (int, error) { return 0, w.err }

func TestTableReturnsTheWritersError(t *testing.T) {
	want := errors.New("disk full")
	if err := RenderTable(brokenWriter{want}, []Row{{Host: "a"}}); !errors.Is(err, want) {
		t.Errorf("got %v", err)
	}
}
