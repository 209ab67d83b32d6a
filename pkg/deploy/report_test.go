package deploy

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/daisy-mcast/daisy-mcast/pkg/agent/message"
)

// reportKeys is the form of schema 1. A key that is taken away or changes its
// meaning needs a new schema; a new key needs a line here and in
// docs/OPERATIONS.md.
const reportKeys = `
central
central_ca
changed
counts.central
counts.failed
counts.local
drop_in.action
drop_in.path
error
hosts[].address
hosts[].bypasses
hosts[].changed
hosts[].detail
hosts[].lost_packets
hosts[].name
hosts[].outcome
hosts[].overflowed_packets
hosts[].preload.detail
hosts[].preload.faults[].image
hosts[].preload.faults[].text
hosts[].preload.images
hosts[].preload.loaded
hosts[].preload.present
hosts[].preload.reason
hosts[].preload.registry
hosts[].reason
hosts[].received_bytes
hosts[].registry
hosts[].repaired_bytes
hosts[].repaired_packets
hosts[].roles[]
hosts[].step
hosts[].survives_reboot
hosts[].timings[].seconds
hosts[].timings[].step
pack_bytes
protocol
repaired_packets
schema
seconds
sent_bytes
set.blobs
set.bytes
set.id
set.image
set.images
set.tag
started
timings[].seconds
timings[].step
warnings[]
`

func TestReportForm(t *testing.T) {
	full := fullReport(t)
	got := keysOf(t, full)
	if want := strings.TrimSpace(reportKeys); got != want {
		t.Errorf("the report's keys are\n%s\nwant\n%s", got, want)
	}
	if ReportSchema != 1 {
		t.Errorf("schema %d: the list here is of schema 1", ReportSchema)
	}
}

// A host counts as changed when it got bytes, a registry or another set, and a run
// that found all as it would leave it changed nothing.
func TestReportSaysWhatWasChanged(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*fakeAgent)
		want   bool
	}{
		"nothing":     {func(*fakeAgent) {}, false},
		"bytes":       {func(f *fakeAgent) { f.missing = message.IndexesOf(1) }, true},
		"registry":    {func(f *fakeAgent) { f.starts = true }, true},
		"another set": {func(f *fakeAgent) { f.switches = true }, true},
	} {
		b := newBench(t, 2)
		for _, f := range b.agents {
			f.missing = message.Indexes{}
		}
		c.change(b.agents[1])
		rep, err := b.run()
		if err != nil {
			t.Fatal(err)
		}
		if rep.Hosts[0].Changed || rep.Hosts[1].Changed != c.want || rep.Changed != c.want {
			t.Errorf("%s: changed %v, of the hosts %v and %v", name, rep.Changed, rep.Hosts[0].Changed, rep.Hosts[1].Changed)
		}
	}
}

// fullReport has a value in every field.
func fullReport(t *testing.T) []byte {
	t.Helper()
	v := reflect.New(reflect.TypeFor[Report]())
	fill(v.Elem())
	r := v.Interface().(*Report)
	r.Counts = map[string]int{"local": 1, "central": 1, "failed": 1}
	b, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func fill(v reflect.Value) {
	switch v.Kind() {
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem())
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				fill(v.Field(i))
			}
		}
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		fill(v.Index(0))
	case reflect.String:
		v.SetString("x")
	case reflect.Int, reflect.Int64:
		v.SetInt(1)
	case reflect.Float64:
		v.SetFloat(1)
	case reflect.Bool:
		v.SetBool(true)
	}
}

// keysOf lists the paths of a JSON document's values, sorted.
func keysOf(t *testing.T, doc []byte) string {
	t.Helper()
	var v any
	if err := json.Unmarshal(doc, &v); err != nil {
		t.Fatal(err)
	}
	seen := make(map[string]bool)
	var walk func(path string, v any)
	walk = func(path string, v any) {
		switch v := v.(type) {
		case map[string]any:
			for k, value := range v {
				walk(strings.TrimPrefix(path+"."+k, "."), value)
			}
		case []any:
			for _, value := range v {
				walk(path+"[]", value)
			}
		default:
			seen[path] = true
		}
	}
	walk("", v)
	var keys []string
	for k := range seen {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return strings.Join(keys, "\n")
}

// The example in docs/OPERATIONS.md is a report, with every key but error.
func TestReportInTheManual(t *testing.T) {
	manual, err := os.ReadFile("../../docs/OPERATIONS.md")
	if err != nil {
		t.Fatal(err)
	}
	block := regexp.MustCompile("(?s)```json\n(.*?)```").FindSubmatch(manual)
	if block == nil {
		t.Fatal("no example there")
	}
	dec := json.NewDecoder(bytes.NewReader(block[1]))
	dec.DisallowUnknownFields()
	var r Report
	if err := dec.Decode(&r); err != nil {
		t.Fatal(err)
	}
	want := strings.Replace(strings.TrimSpace(reportKeys), "\nerror\n", "\n", 1)
	if got := keysOf(t, block[1]); got != want {
		t.Errorf("its keys are\n%s\nwant\n%s", got, want)
	}
	if r.Schema != ReportSchema || len(r.Hosts) != sum(r.Counts) {
		t.Errorf("schema %d, %d hosts, counts %v", r.Schema, len(r.Hosts), r.Counts)
	}
}

func sum(counts map[string]int) (n int) {
	for _, c := range counts {
		n += c
	}
	return n
}

// The table has bytes in its column of what was repaired, and the report both.
func TestRepairedIsToldInItsUnit(t *testing.T) {
	b := newBench(t, 1)
	b.agents[0].received = message.ReceiveResult{
		Bytes: 4000, Packets: 40, Lost: 10, Repaired: 10, RepairedBytes: 1000, Missing: message.Indexes{},
	}
	rep, err := b.run()
	if err != nil {
		t.Fatal(err)
	}
	h, row := rep.Hosts[0], rep.Rows()[0]
	if got := fmt.Sprint(h.Repaired, h.RepairedBytes, row.Repaired, row.Received); got != "10 1000 1000 4000" {
		t.Errorf("got %s", got)
	}
}
