package lab_test

import (
	"context"
	"os"
	"testing"
	"time"

	"github.com/daisy-mcast/daisy-mcast/test/lab"
)

func TestMain(m *testing.M) { os.Exit(lab.Main(m)) }

// within bounds what one step of a test may take.
func within(t *testing.T, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

func hosts(names ...string) []lab.HostConfig {
	var all []lab.HostConfig
	for _, name := range names {
		all = append(all, lab.HostConfig{Name: name})
	}
	return all
}

func TestSSHBetweenHosts(t *testing.T) {
	t.Parallel()
	l := lab.New(t, lab.Config{Hosts: hosts("deploy", "h1", "h2")})
	ctx := within(t, 30*time.Second)
	deploy := l.Host("deploy")
	if err := deploy.Operator(ctx, "root", "root", l.Host("h1"), l.Host("h2")); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"h1", "h2"} {
		for _, target := range []string{name, l.Host(name).Addr().String()} {
			r := deploy.Run(ctx, "ssh", "-o", "BatchMode=yes", target, "hostname; exit 7")
			if r.Code != 7 || r.Stdout != name+"\n" {
				t.Errorf("ssh to %s: %v", target, r)
			}
		}
	}
}
