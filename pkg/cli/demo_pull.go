package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/daisy-mcast/daisy-mcast/pkg/deploy"
	"github.com/daisy-mcast/daisy-mcast/pkg/store"
)

// maxDemoManifest bounds what is read of a manifest, in bytes.
const maxDemoManifest = 4 << 20

// pullEverywhere pulls one image from every host's registry, as an engine would,
// and compares the digests.
func (d *demo) pullEverywhere(ctx context.Context, rep *deploy.Report) error {
	const repository = "kolla/centos-binary-nova-compute"
	fmt.Fprintf(d.std.Out, "\npulling %s:%s from every host:\n", repository, demoTag)
	client := &http.Client{Transport: &http.Transport{Proxy: nil}}
	defer client.CloseIdleConnections()
	var want store.Digest
	var errs []error
	for i, h := range d.hosts {
		got, bytes, err := pullImage(ctx, client, "http://"+h.Listen.String()+"/v2/"+repository, demoTag)
		switch {
		case err != nil:
			errs = append(errs, fmt.Errorf("%s: %w", h.Name, err))
			continue
		case want == "":
			want = got
		case got != want:
			errs = append(errs, fmt.Errorf("%s serves %s, %s serves %s", h.Name, got, d.hosts[0].Name, want))
		}
		fmt.Fprintf(d.std.Out, "  %s  %-16v  %s  %.1f MB  %s\n", h.Name, h.Listen, got[:19], float64(bytes)/1e6, rep.Hosts[i].Outcome)
	}
	if err := errors.Join(errs...); err != nil {
		return &ExitError{Code: ExitFailed, Err: err}
	}
	fmt.Fprintln(d.std.Out, "every host gave the same image, every digest is right")
	return nil
}

// pullImage reads a manifest and all it names, and checks every digest.
func pullImage(ctx context.Context, client *http.Client, base, tag string) (store.Digest, int64, error) {
	raw, err := get(ctx, client, base+"/manifests/"+tag)
	if err != nil {
		return "", 0, err
	}
	m, err := store.ParseManifest(raw)
	if err != nil {
		return "", 0, err
	}
	total := int64(len(raw))
	for _, child := range m.Children() {
		b, err := get(ctx, client, base+"/blobs/"+string(child.Digest))
		if err != nil {
			return "", 0, err
		}
		if store.DigestOf(b) != child.Digest {
			return "", 0, fmt.Errorf("blob %s has other bytes", child.Digest)
		}
		total += int64(len(b))
	}
	return store.DigestOf(raw), total, nil
}

func get(ctx context.Context, client *http.Client, url string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	req.Header.Add("Accept", "application/vnd.docker.distribution.manifest.v2+json")
	res, err := client.Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s: %s", url, res.Status)
	}
	return io.ReadAll(io.LimitReader(res.Body, demoLayer*2+maxDemoManifest))
}
