package registry

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
)

// A count only grows. Safe for concurrent use.
type count struct{ n atomic.Int64 }

func (c *count) add(n int64) { c.n.Add(n) }

// metrics count what a handler does. They are written in Prometheus' text format,
// version 0.0.4, by hand: a client library brings ten modules for what is a dozen
// lines here. Names and labels are few and fixed, so that a thousand hosts cost a
// Prometheus some ten thousand series. Safe for concurrent use.
type metrics struct {
	requests [kindCount][statusClasses]count
	sent     [sources]count // bytes of bodies
	cut      count          // bodies that ended early
	faults   count          // answers 502
}

const (
	kindCount     = int(kindReferrers) + 2 // kindOther is 0
	statusClasses = 6
	sources       = 2
)

// kindNames are the values of the label kind, by kind; 0 is everything else.
var kindNames = [kindCount]string{"other", "base", "catalog", "tags", "manifest", "blob", "referrers", "operator"}

const kindOperator = kindReferrers + 1 // /healthz and /metrics

func (m *metrics) request(k kind, w *response) {
	m.requests[k][min(w.status/100, statusClasses-1)].add(1)
	switch w.Header().Get(headerSource) {
	case SourceStore:
		m.sent[0].add(w.sent)
	case SourceUpstream:
		m.sent[1].add(w.sent)
	}
	if w.isCut() || w.fault != nil {
		m.cut.add(1)
	}
	if w.status == http.StatusBadGateway {
		m.faults.add(1)
	}
}

// serveMetrics answers /metrics.
func (h *handler) serveMetrics(w http.ResponseWriter) error {
	v, err := h.current()
	if err != nil {
		return err
	}
	var sb strings.Builder
	m := &h.metrics
	family(&sb, "requests_total", "counter", "Requests answered, by what was asked for and class of status.")
	for k := range m.requests {
		for class := range m.requests[k] {
			if n := m.requests[k][class].n.Load(); n > 0 {
				sample(&sb, "requests_total", fmt.Sprintf(`{kind=%q,code="%dxx"}`, kindNames[k], class), n)
			}
		}
	}
	family(&sb, "sent_bytes_total", "counter", "Bytes of manifests and blobs sent, by where they came from.")
	sample(&sb, "sent_bytes_total", `{source="store"}`, m.sent[0].n.Load())
	sample(&sb, "sent_bytes_total", `{source="upstream"}`, m.sent[1].n.Load())
	one(&sb, "cut_total", "counter", "Answers that ended before their whole was sent.", m.cut.n.Load())
	one(&sb, "pulls", "gauge", "Manifests and blobs that are being sent now.", int64(len(h.pulls)+len(h.hops)))
	one(&sb, "pulls_limit", "gauge", "How many may be sent at one time; more wait in line.", int64(cap(h.pulls)+cap(h.hops)))
	one(&sb, "upstream_fetches_total", "counter", "Manifests and blobs asked of the upstream.", h.flights.fetched.n.Load())
	one(&sb, "upstream_shared_total", "counter", "Askers that got theirs from a fetch that was under way.", h.flights.shared.n.Load())
	one(&sb, "upstream_faults_total", "counter", "Answers 502: the upstream did not deliver.", m.faults.n.Load())
	one(&sb, "filled_bytes_total", "counter", "Bytes from upstream that were kept in the store.", h.filled())
	h.writeSet(&sb, v)
	one(&sb, "start_time_seconds", "gauge", "When this registry started, in seconds since 1970.", h.started.Unix())
	if rss, err := residentBytes(); err == nil {
		one(&sb, "resident_memory_bytes", "gauge", "Memory of this process.", rss)
	}
	w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
	w.WriteHeader(http.StatusOK)
	_, _ = io.WriteString(w, sb.String()) // a client that went away is seen by the server
	return nil
}

// writeSet says which set is served, and how much it is.
func (h *handler) writeSet(sb *strings.Builder, v *view) {
	id, images, size := "", int64(0), int64(0)
	if v.set != nil {
		id, images, size = v.set.ID, int64(len(v.set.Images)), v.set.TotalSize()
	}
	family(sb, "set_info", "gauge", "Always 1; the labels say which set is served and how.")
	sample(sb, "set_info", fmt.Sprintf(`{set=%q,mode=%q}`, id, v.mode), 1)
	one(sb, "set_images", "gauge", "Images of the set that is served.", images)
	one(sb, "set_bytes", "gauge", "Bytes of the set that is served.", size)
}

func (h *handler) filled() int64 {
	if h.flights.fill == nil {
		return 0
	}
	return h.flights.fill.done.n.Load()
}

const metricPrefix = "daisy_mcast_registry_"

func family(w io.Writer, name, kind, help string) {
	fmt.Fprintf(w, "# HELP %s%s %s\n# TYPE %s%s %s\n", metricPrefix, name, help, metricPrefix, name, kind)
}

func sample(w io.Writer, name, labels string, n int64) {
	fmt.Fprintf(w, "%s%s%s %d\n", metricPrefix, name, labels, n)
}

func one(w io.Writer, name, kind, help string, n int64) {
	family(w, name, kind, help)
	sample(w, name, "", n)
}

// residentBytes reads the second number of /proc/self/statm (proc(5)): pages.
func residentBytes() (int64, error) {
	raw, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return 0, err
	}
	fields := strings.Fields(string(raw))
	if len(fields) < 2 {
		return 0, os.ErrInvalid
	}
	pages, err := strconv.ParseInt(fields[1], 10, 64)
	return pages * int64(os.Getpagesize()), err
}
