package registry

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
)

// A page is what a request asks for of a sorted list (distribution
// specification, "Listing Tags").
type page struct {
	n    int // entries at most
	last string
}

func parsePage(r *http.Request) (page, error) {
	q := r.URL.Query()
	p := page{n: maxPage, last: q.Get("last")}
	if !q.Has("n") {
		return p, nil
	}
	n, err := strconv.ParseUint(q.Get("n"), 10, 63)
	if err != nil {
		return page{}, badRequest("UNSUPPORTED", "n is not a number of entries")
	}
	p.n = int(min(n, maxPage))
	return p, nil
}

// cut returns the part of sorted, which is in the order of compare, that p asks
// for. When more follows it sets the Link header to it.
func (p page) cut(w http.ResponseWriter, path string, sorted []string, compare func(a, b string) int) []string {
	if p.last != "" {
		i, found := slices.BinarySearchFunc(sorted, p.last, compare)
		if found {
			i++
		}
		sorted = sorted[i:]
	}
	if p.n == 0 {
		return []string{}
	}
	if len(sorted) <= p.n {
		return append([]string{}, sorted...) // [] in JSON, not null
	}
	sorted = sorted[:p.n]
	q := url.Values{"n": {strconv.Itoa(p.n)}, "last": {sorted[p.n-1]}}
	setNext(w, path, q)
	return sorted
}

// setNext sets the Link header (RFC 5988) to the next page.
func setNext(w http.ResponseWriter, path string, q url.Values) {
	next := url.URL{Path: path, RawQuery: q.Encode()}
	w.Header().Set("Link", "<"+next.String()+`>; rel="next"`)
}
