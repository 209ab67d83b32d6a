package cli

import (
	"bytes"
	"context"
	"errors"
	"io"
	"regexp"
	"strings"
	"testing"

	"github.com/daisy-mcast/daisy-mcast/pkg/registry"
)

func TestRegistryServeRefusesBadUsage(t *testing.T) {
	for want, opts := range map[string]registryServeOptions{
		"no --store":             {},
		"without --cert":         {store: "x", tlsListen: []string{"127.0.0.1:0"}},
		"for loopback addresses": {store: t.TempDir(), listen: []string{"0.0.0.0:0"}},
	} {
		err := runRegistryServe(t.Context(), &streams{Err: io.Discard}, opts)
		var exit *ExitError
		if !errors.As(err, &exit) || exit.Code != ExitUsage || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: got %v, want exit 2 with %q", opts, err, want)
		}
	}
}

// One ready line on standard error; exit 0 when told to stop.
func TestRegistryServeUntilItIsToldToStop(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	r, w := io.Pipe()
	var out bytes.Buffer
	cmd := newRegistryServeCommand(&streams{Out: &out, Err: w})
	cmd.SetArgs([]string{"--store", t.TempDir(), "--listen", "127.0.0.1:0", "--listen", "127.0.0.2:0", "--identity", "me"})
	ended := make(chan error, 1)
	go func() { ended <- cmd.ExecuteContext(ctx); w.Close() }()

	line := make([]byte, 1024)
	n, err := r.Read(line)
	if err != nil {
		t.Fatalf("%v (%v)", err, <-ended)
	}
	bases := regexp.MustCompile(`127\.0\.0\.[12]:\d+`).FindAllString(string(line[:n]), -1)
	if len(bases) != 2 || strings.Count(string(line[:n]), "\n") != 1 {
		t.Fatalf("got ready line %q", line[:n])
	}
	client, err := registry.NewClient(registry.ClientConfig{})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	for _, base := range bases {
		if id, err := client.Ping(t.Context(), "http://"+base); err != nil || id != "me" {
			t.Errorf("%s: got %q, %v", base, id, err)
		}
	}
	client.Close()
	stop()
	if err := <-ended; err != nil || out.Len() > 0 {
		t.Errorf("got %v and %q on standard output", err, &out)
	}
}
