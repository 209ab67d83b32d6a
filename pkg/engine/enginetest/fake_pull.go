package enginetest

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
)

// manifestTypes are what engines accept.
const manifestTypes = "application/vnd.docker.distribution.manifest.v2+json, application/vnd.oci.image.manifest.v1+json"

// pull is Docker's way to say it, which Podman also speaks.
func (f *Fake) pull(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	f.pullInto(w, q.Get("fromImage")+":"+q.Get("tag"), !f.isPodman())
}

// pullPodman is Podman's own way.
func (f *Fake) pullPodman(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	f.pullInto(w, q.Get("reference"), q.Get("tlsVerify") == "false")
}

// pullInto really pulls: it fetches manifest, configuration and layers and holds
// them to their digests. Plain HTTP is taken where the engine would.
func (f *Fake) pullInto(w http.ResponseWriter, ref string, plain bool) {
	img, err := fakeImage{}, error(nil)
	host, rest, _ := strings.Cut(ref, "/")
	if !plain {
		err = fmt.Errorf("pinging container registry %s: Get %q: http: server gave HTTP response to HTTPS client", host, "https://"+host+"/v2/")
	} else {
		img, err = fetchImage("http://"+host+"/v2/", rest)
	}
	if err != nil && (f.isPodman() || !strings.Contains(err.Error(), "connection refused")) {
		answer(w, http.StatusOK, map[string]any{"error": err.Error(), "errorDetail": map[string]any{"message": err.Error()}})
		return
	}
	if err != nil {
		f.fault(w, http.StatusInternalServerError, err.Error())
		return
	}
	if f.cfg.Containerd {
		img.id = img.manifest
	}
	img.digests = []string{ref[:strings.LastIndexByte(ref, ':')] + "@" + img.manifest}
	f.mu.Lock()
	f.images[ref] = img
	f.pulled = append(f.pulled, ref)
	f.mu.Unlock()
	if f.isPodman() {
		answer(w, http.StatusOK, map[string]any{"stream": "Trying to pull " + ref + "...\n"})
		_ = json.NewEncoder(w).Encode(map[string]any{"images": []string{strings.TrimPrefix(img.id, "sha256:")}, "id": strings.TrimPrefix(img.id, "sha256:")})
		return
	}
	answer(w, http.StatusOK, map[string]any{"status": "Pulling from " + rest})
	_ = json.NewEncoder(w).Encode(map[string]any{"status": "Digest: " + img.manifest})
	_ = json.NewEncoder(w).Encode(map[string]any{"status": "Status: Downloaded newer image for " + ref})
}

// fetchImage fetches "repository:tag".
func fetchImage(base, name string) (img fakeImage, err error) {
	repository, tag, _ := strings.Cut(name, ":")
	raw, err := fetch(base+repository+"/manifests/"+tag, "")
	if err != nil {
		return img, err
	}
	img.manifest = fmt.Sprintf("sha256:%x", sha256.Sum256(raw))
	var m struct {
		Config struct{ Digest string }
		Layers []struct{ Digest string }
	}
	if err := json.Unmarshal(raw, &m); err != nil {
		return img, err
	}
	img.id = m.Config.Digest
	config, err := fetch(base+repository+"/blobs/"+img.id, img.id)
	if err != nil {
		return img, err
	}
	var c struct {
		RootFS struct {
			DiffIDs []string `json:"diff_ids"`
		} `json:"rootfs"`
	}
	if err := json.Unmarshal(config, &c); err != nil {
		return img, err
	}
	img.layers = c.RootFS.DiffIDs
	for _, l := range m.Layers {
		if _, err := fetch(base+repository+"/blobs/"+l.Digest, l.Digest); err != nil {
			return img, err
		}
	}
	return img, nil
}

// fetch gets a document, which must have the digest if one is given.
func fetch(url, digest string) ([]byte, error) {
	req, err := http.NewRequestWithContext(context.Background(), http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Accept", manifestTypes)
	answer, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(req)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	raw, err := io.ReadAll(answer.Body)
	if err == nil && answer.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", url, answer.Status)
	}
	if err == nil && digest != "" && fmt.Sprintf("sha256:%x", sha256.Sum256(raw)) != digest {
		err = fmt.Errorf("%s: filesystem layer verification failed", url)
	}
	return raw, err
}
