package registry

import (
	"log/slog"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/daisy-mcast/daisy-mcast/pkg/store"
)

// Config says what a handler serves.
type Config struct {
	Store *store.Store
	// Identity goes out on every answer as Daisy-Mcast-Registry, so that the one
	// who started the registry knows it from a stranger's (R8). Default "unnamed".
	Identity string
	// Log gets faults, and one debug record per request. Default: nothing.
	Log *slog.Logger
	// AccessLog makes the records of requests ones of level info.
	AccessLog bool
	// Fill keeps in the store what comes from upstream. The store must be writable.
	Fill bool
}

// A handler serves one store. It is safe for concurrent use and holds no
// content: only the current set's list, replaced whole when the set changes.
type handler struct {
	store    *store.Store
	identity string
	log      *slog.Logger
	access   slog.Level // of the records of requests
	started  time.Time
	metrics  metrics
	flights  flights
	view     atomic.Pointer[view]
	upstream *upstreamFile
	pulls    chan struct{} // one element per pull under way; see maxPulls
	hops     chan struct{} // the same, of pulls by registries of ours
}

// New returns a read-only registry over cfg.Store. What its upstream.json says
// is read again whenever that file changes.
func New(cfg Config) http.Handler { return newHandler(cfg) }

func newHandler(cfg Config) *handler {
	h := &handler{
		store:    cfg.Store,
		identity: cfg.Identity,
		log:      cfg.Log,
		access:   slog.LevelDebug,
		started:  time.Now(),
		upstream: newUpstreamFile(cfg.Store.Dir()),
		pulls:    make(chan struct{}, maxPulls),
		hops:     make(chan struct{}, maxPulls),
	}
	if h.identity == "" {
		h.identity = "unnamed"
	}
	if cfg.AccessLog {
		h.access = slog.LevelInfo
	}
	if h.log == nil {
		h.log = slog.New(slog.DiscardHandler)
	}
	if cfg.Fill {
		h.flights.fill = newFiller(cfg.Store.Dir(), h.log)
	}
	return h
}

// ServeHTTP answers one request and logs it.
func (h *handler) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	start := time.Now()
	w := newResponse(rw)
	w.Header().Set(headerVersion, apiVersion)
	w.Header().Set(headerIdentity, h.identity)
	kind, err := h.serve(w, r)
	if err != nil && !w.wroteHeader() {
		asAPIError(err).write(w)
	}
	h.metrics.request(kind, w)
	h.logRequest(w, r, err, time.Since(start))
	if err != nil && w.isCut() {
		// The header promised more than came: the client must see it.
		panic(http.ErrAbortHandler)
	}
}

func (h *handler) logRequest(w *response, r *http.Request, err error, took time.Duration) {
	level := h.access
	if err != nil && (w.status >= 500 || w.isCut() || w.fault != nil) && r.Context().Err() == nil {
		level = slog.LevelWarn
	}
	attrs := []slog.Attr{
		slog.String("method", r.Method), slog.String("path", r.URL.Path),
		slog.Int("status", w.status), slog.Int64("bytes", w.sent),
		slog.Duration("took", took), slog.String("from", r.RemoteAddr),
	}
	if source := w.Header().Get(headerSource); source != "" {
		attrs = append(attrs, slog.String("source", source))
	}
	if err != nil {
		attrs = append(attrs, slog.String("err", err.Error()))
	}
	h.log.LogAttrs(r.Context(), level, "request", attrs...)
}

// serve answers r, or returns what is wrong with it, and says what was asked for.
func (h *handler) serve(w *response, r *http.Request) (kind, error) {
	switch {
	case r.Method != http.MethodGet && r.Method != http.MethodHead:
		return 0, refuseWrite(w)
	case r.URL.Path == "/healthz":
		return kindOperator, h.serveHealth(w)
	case r.URL.Path == "/metrics":
		return kindOperator, h.serveMetrics(w)
	case r.URL.Path != "/v2" && !strings.HasPrefix(r.URL.Path, "/v2/"):
		return 0, notFound("NAME_UNKNOWN", "this is a container registry; its API is under /v2/")
	}
	rt, err := parseRoute(r.URL.Path)
	if err != nil {
		return rt.kind, err
	}
	v, err := h.current()
	if err != nil {
		return rt.kind, err
	}
	return rt.kind, h.serveRoute(w, r, v, rt)
}

// serveRoute answers a request of the specification's.
func (h *handler) serveRoute(w *response, r *http.Request, v *view, rt route) error {
	switch rt.kind {
	case kindBase:
		writeJSON(w, http.StatusOK, "application/json", struct{}{})
		return nil
	case kindCatalog:
		return h.serveCatalog(w, r, v)
	case kindTags:
		return h.serveTags(w, r, v, rt)
	case kindManifest:
		return h.serveManifest(w, r, v, rt)
	case kindBlob:
		return h.serveBlob(w, r, v, rt)
	case kindReferrers:
		return h.serveReferrers(w, r, v, rt)
	}
	panic("registry: a kind without a handler")
}

// refuseWrite answers whatever would change something. A body that the client
// may be sending is not read.
func refuseWrite(w *response) error {
	w.Header().Set("Allow", "GET, HEAD")
	w.Header().Set("Connection", "close")
	w.limitBody()
	return &apiError{
		status:  http.StatusMethodNotAllowed,
		code:    "UNSUPPORTED",
		message: "this registry is read-only",
	}
}

// serveHealth says whether the store can be read and which set it serves.
func (h *handler) serveHealth(w http.ResponseWriter) error {
	v, err := h.current()
	if err != nil {
		return &apiError{status: http.StatusServiceUnavailable, code: "UNKNOWN",
			message: "the store cannot be read", err: err}
	}
	health := struct {
		Status string `json:"status"`
		Set    string `json:"set,omitempty"`
		Mode   string `json:"mode"` // whole, lean or none
	}{Status: "ok", Mode: v.mode.String()}
	if v.set != nil {
		health.Set = v.set.ID
	}
	writeJSON(w, http.StatusOK, "application/json", health)
	return nil
}

// enter waits for a place among the pulls under way; leave gives it back. Pulls by
// registries of ours stand in a line of their own: they go no further, while a
// pull may hold its place until such a one is answered - by this same process,
// when upstream.json names it.
func (h *handler) enter(r *http.Request) (leave func(), err error) {
	places := h.pulls
	if isHop(r) {
		places = h.hops
	}
	select {
	case places <- struct{}{}:
		return func() { <-places }, nil
	case <-r.Context().Done():
		return nil, r.Context().Err()
	}
}
