package enginetest

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"strings"
)

// maxEntry bounds a JSON file of an archive in bytes.
const maxEntry = 1 << 20

// load reads docker save's form.
func (f *Fake) load(w http.ResponseWriter, r *http.Request) {
	var archive bytes.Buffer
	refs, img, err := readArchive(io.TeeReader(r.Body, &archive))
	if err != nil {
		if f.isPodman() {
			f.fault(w, http.StatusInternalServerError, "failed to load image: payload does not match any of the supported image formats: "+err.Error())
			return
		}
		message := "Error processing tar file(exit status 1): " + err.Error()
		answer(w, http.StatusOK, map[string]any{"error": message, "errorDetail": map[string]any{"message": message}})
		return
	}
	_, _ = io.Copy(&archive, r.Body) // what follows a tar's end
	img.archive = archive.Bytes()
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, ref := range refs {
		f.images[ref] = img
	}
	if f.isPodman() {
		answer(w, http.StatusOK, map[string]any{"stream": "Loaded image: " + strings.Join(refs, ",")})
		return
	}
	for _, ref := range refs {
		answer(w, http.StatusOK, map[string]any{"stream": "Loaded image: " + ref + "\n"})
	}
}

func readArchive(r io.Reader) (refs []string, img fakeImage, err error) {
	var manifest []struct{ RepoTags []string }
	for entries := tar.NewReader(r); ; {
		h, err := entries.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, img, err
		}
		switch {
		case h.Name == "manifest.json":
			if err := json.NewDecoder(io.LimitReader(entries, maxEntry)).Decode(&manifest); err != nil {
				return nil, img, err
			}
		case strings.HasSuffix(h.Name, ".json"):
			raw, err := io.ReadAll(io.LimitReader(entries, maxEntry))
			if err != nil {
				return nil, img, err
			}
			var config struct {
				RootFS struct {
					DiffIDs []string `json:"diff_ids"`
				} `json:"rootfs"`
			}
			if err := json.Unmarshal(raw, &config); err != nil {
				return nil, img, err
			}
			img.id, img.layers = fmt.Sprintf("sha256:%x", sha256.Sum256(raw)), config.RootFS.DiffIDs
		}
	}
	for _, m := range manifest {
		refs = append(refs, m.RepoTags...)
	}
	if len(refs) == 0 || img.id == "" {
		return nil, img, io.ErrUnexpectedEOF
	}
	return refs, img, nil
}

func (f *Fake) listImages(w http.ResponseWriter, r *http.Request) {
	var filters struct{ Reference map[string]bool }
	_ = json.Unmarshal([]byte(r.URL.Query().Get("filters")), &filters)
	f.mu.Lock()
	defer f.mu.Unlock()
	list := []map[string]any{}
	for ref, img := range f.images {
		repository := ref[:strings.LastIndexByte(ref, ':')]
		if filters.Reference == nil || filters.Reference[repository] {
			list = append(list, map[string]any{"Id": img.id, "RepoTags": []string{ref}})
		}
	}
	answer(w, http.StatusOK, list)
}

// save answers with what was loaded, one image at a time.
func (f *Fake) save(w http.ResponseWriter, r *http.Request) {
	names := r.URL.Query()["names"]
	f.mu.Lock()
	var img fakeImage
	for _, ref := range names {
		img = f.images[ref]
	}
	f.saved = append(f.saved, names...)
	f.mu.Unlock()
	if img.archive == nil {
		f.fault(w, http.StatusNotFound, "No such image: "+strings.Join(names, ", "))
		return
	}
	w.Header().Set("Content-Type", "application/x-tar")
	_, _ = w.Write(img.archive)
}

func (f *Fake) inspectImage(w http.ResponseWriter, r *http.Request) {
	ref := strings.TrimSuffix(r.PathValue("ref"), "/json")
	f.mu.Lock()
	defer f.mu.Unlock()
	img, ok := f.image(ref)
	if !ok {
		f.noImage(w, ref)
		return
	}
	body := maps.Clone(f.recorded.Image)
	body["Id"], body["RepoTags"], body["RepoDigests"] = img.id, []string{ref}, img.digests
	body["RootFS"] = map[string]any{"Type": "layers", "Layers": img.layers}
	answer(w, http.StatusOK, body)
}

// image finds an image by name or ID. It is called with mu held.
func (f *Fake) image(ref string) (fakeImage, bool) {
	if img, ok := f.images[ref]; ok {
		return img, true
	}
	for _, img := range f.images {
		if img.id == ref {
			return img, true
		}
	}
	return fakeImage{}, false
}

func (f *Fake) noImage(w http.ResponseWriter, ref string) {
	if f.isPodman() {
		f.fault(w, http.StatusNotFound, fmt.Sprintf("failed to find image %s: %s: No such image", ref, ref))
		return
	}
	f.fault(w, http.StatusNotFound, "No such image: "+ref)
}

func (f *Fake) removeImage(w http.ResponseWriter, r *http.Request) {
	ref := r.PathValue("ref")
	f.mu.Lock()
	defer f.mu.Unlock()
	if _, ok := f.images[ref]; !ok {
		f.noImage(w, ref)
		return
	}
	for _, c := range f.containers {
		if c.spec.Image == ref {
			f.fault(w, http.StatusConflict, "image "+ref+" is in use: image used by "+c.id+": image is in use by a container")
			return
		}
	}
	delete(f.images, ref)
	answer(w, http.StatusOK, []map[string]any{{"Untagged": ref}})
}
