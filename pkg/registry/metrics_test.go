package registry

import (
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/daisy-mcast/daisy-mcast/pkg/store"
)

// The grammar of Prometheus' text format 0.0.4, as far as it is used.
var (
	helpLine   = regexp.MustCompile(`^# HELP (daisy_mcast_registry_[a-z_]+) [A-Z].*\.$`)
	typeLine   = regexp.MustCompile(`^# TYPE (daisy_mcast_registry_[a-z_]+) (counter|gauge)$`)
	sampleLine = regexp.MustCompile(`^(daisy_mcast_registry_[a-z_]+)(\{[a-z]+="[^"]*"(?:,[a-z]+="[^"]*")*\})? (-?\d+)$`)
)

// samples reads /metrics and checks its form: each family once, with help and type
// before its samples, counters named _total, no sample twice.
func samples(t *testing.T, base string) map[string]string {
	t.Helper()
	a := get(t, base+"/metrics")
	a.wantStatus(t, http.StatusOK, "")
	a.wantHeader(t, "Content-Type", "text/plain; version=0.0.4; charset=utf-8")
	if !strings.HasSuffix(string(a.body), "\n") {
		t.Error("the last line has no end")
	}
	got, kinds, helped, family := map[string]string{}, map[string]string{}, "", ""
	for line := range strings.Lines(string(a.body)) {
		line = strings.TrimSuffix(line, "\n")
		if m := helpLine.FindStringSubmatch(line); m != nil {
			helped = m[1]
		} else if m := typeLine.FindStringSubmatch(line); m != nil {
			if family = m[1]; family != helped || kinds[family] != "" {
				t.Errorf("%q: without its help, or again", line)
			}
			if kinds[family] = m[2]; (m[2] == "counter") != strings.HasSuffix(family, "_total") {
				t.Errorf("%s is a %s", family, m[2])
			}
		} else if m := sampleLine.FindStringSubmatch(line); m != nil {
			if m[1] != family {
				t.Errorf("%q stands below %s", line, family)
			}
			name := strings.TrimPrefix(m[1], metricPrefix) + m[2]
			if _, twice := got[name]; twice {
				t.Errorf("%q is there twice", name)
			}
			got[name] = m[3]
		} else {
			t.Errorf("not of the format: %q", line)
		}
	}
	return got
}

func TestMetricsCount(t *testing.T) {
	f := newFixture(t)
	layer := f.big("kolla/a", "1", 100_000)
	st := f.lean(f.images[0].Manifest)
	check(t, WriteUpstream(st.Dir(), Upstream{URL: start(t, newCopy(f).whole())}))
	base := startHandler(t, New(Config{Store: st}))
	want := func(more map[string]string) {
		t.Helper()
		got := samples(t, base)
		for name, n := range more {
			if got[name] != n {
				t.Errorf("%s: got %q, want %q", name, got[name], n)
			}
		}
	}
	set := f.set()
	want(map[string]string{
		"pulls": "0", "pulls_limit": "1024", "upstream_fetches_total": "0", "set_images": "1",
		`set_info{set="` + set.ID + `",mode="lean"}`: "1",
	})
	get(t, base+"/v2/kolla/a/manifests/1").wantStatus(t, 200, "")
	get(t, base+"/v2/kolla/a/manifests/none").wantStatus(t, 404, "MANIFEST_UNKNOWN")
	get(t, base+"/v2/kolla/a/blobs/"+string(layer.Digest)).wantStatus(t, 200, "")
	get(t, base+"/v2/kolla/a/tags/list").wantStatus(t, 200, "")
	get(t, base+"/healthz").wantStatus(t, 200, "")
	request(t, "DELETE", base+"/v2/kolla/a/manifests/1").wantStatus(t, 405, "")
	want(map[string]string{
		`requests_total{kind="manifest",code="2xx"}`: "1", `requests_total{kind="manifest",code="4xx"}`: "1",
		`requests_total{kind="blob",code="2xx"}`: "1", `requests_total{kind="tags",code="2xx"}`: "1",
		`requests_total{kind="other",code="4xx"}`: "1", `requests_total{kind="operator",code="2xx"}`: "2",
		`sent_bytes_total{source="upstream"}`: "100000", "upstream_fetches_total": "1", "upstream_faults_total": "0",
	})
	check(t, WriteUpstream(st.Dir(), Upstream{URL: "http://127.0.0.1:1"}))
	get(t, base+"/v2/kolla/a/blobs/"+string(layer.Digest)).wantStatus(t, 502, "UNAVAILABLE")
	want(map[string]string{"upstream_faults_total": "1", `requests_total{kind="blob",code="5xx"}`: "1"})
}

func TestMetricsOfAnEmptyStore(t *testing.T) {
	st, err := store.Open(t.TempDir())
	check(t, err)
	got := samples(t, startHandler(t, New(Config{Store: st})))
	if got[`set_info{set="",mode="none"}`] != "1" || got["resident_memory_bytes"] == "" || len(got["start_time_seconds"]) < 10 {
		t.Errorf("got %v", got)
	}
}
