package e2e

import (
	"crypto/sha256"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"

	"github.com/daisy-mcast/daisy-mcast/test/lab"
)

// hostRegistry is where Kolla on a host takes its images from.
const hostRegistry = "127.0.0.1:4000"

const manifestTypes = "application/vnd.docker.distribution.manifest.v2+json," +
	"application/vnd.docker.distribution.manifest.list.v2+json," +
	"application/vnd.oci.image.manifest.v1+json,application/vnd.oci.image.index.v1+json"

// get asks a host's registry, from within the host.
func get(h *lab.Host, path string) (*http.Response, []byte, error) {
	req, err := http.NewRequest(http.MethodGet, "http://"+hostRegistry+path, nil)
	if err != nil {
		return nil, nil, err
	}
	req.Header.Set("Accept", manifestTypes)
	resp, err := h.HTTP().Do(req)
	if err != nil {
		return nil, nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return resp, body, err
}

// wantServed checks that a host answers with every image of the bundle: tags
// with the right digests, and blobs with the right bytes. Source, when not
// empty, is where the registry has to say that it took them from.
func (f *fleet) wantServed(h *lab.Host, b bundle, source string) {
	f.t.Helper()
	var bad problems
	for ref, digest := range b.tags {
		repository, tag, _ := strings.Cut(ref, ":")
		resp, body, err := get(h, "/v2/"+repository+"/manifests/"+tag)
		bad.check(ref, digest, source, resp, body, err)
	}
	var all sync.WaitGroup
	for digest, repository := range b.homes {
		all.Go(func() {
			resp, body, err := get(h, "/v2/"+repository+"/blobs/"+digest)
			bad.check(digest, digest, source, resp, body, err)
		})
	}
	all.Wait()
	if len(bad.list) > 0 {
		f.t.Errorf("%s serves wrongly:\n%s", h.Name(), strings.Join(bad.list, "\n"))
	}
}

// problems collects what is wrong, from several goroutines.
type problems struct {
	mu   sync.Mutex
	list []string
}

func (p *problems) check(what, digest, source string, resp *http.Response, body []byte, err error) {
	var wrong string
	switch {
	case err != nil:
		wrong = err.Error()
	case resp.StatusCode != http.StatusOK:
		wrong = resp.Status + ": " + string(body)
	case fmt.Sprintf("sha256:%x", sha256.Sum256(body)) != digest:
		wrong = fmt.Sprintf("%d bytes with another digest than %s", len(body), digest)
	case source != "" && resp.Header.Get("Daisy-Mcast-Source") != source:
		wrong = fmt.Sprintf("from %q, want %q", resp.Header.Get("Daisy-Mcast-Source"), source)
	default:
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.list = append(p.list, what+": "+wrong)
}
