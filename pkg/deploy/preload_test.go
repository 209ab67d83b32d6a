package deploy

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/daisy-mcast/daisy-mcast/pkg/agent/message"
	"github.com/daisy-mcast/daisy-mcast/pkg/kolla"
	"github.com/daisy-mcast/daisy-mcast/pkg/progress"
	"github.com/daisy-mcast/daisy-mcast/pkg/store"
)

// preloadBench is one whose hosts' engines get images, and have done so.
func preloadBench(t *testing.T, hosts int) *bench {
	b := newBench(t, hosts)
	b.cfg.Preload = true
	for _, f := range b.agents {
		f.preloaded = message.Preloaded{Loaded: 1}
	}
	return b
}

func TestPreloadIsOnlyDoneWhenAsked(t *testing.T) {
	b := newBench(t, 1)
	rep, err := b.run()
	if err != nil || b.agents[0].did(message.CallRoom)+b.agents[0].did(message.CallPreload) > 0 || rep.Hosts[0].Preload != nil {
		t.Errorf("%v, report %+v", err, rep.Hosts[0].Preload)
	}
}

// TestPreloadNames: images are loaded by the names that Kolla will use, which the
// drop-in decides.
func TestPreloadNames(t *testing.T) {
	for _, c := range []struct {
		fallback      kolla.Fallback
		local, leaner string
	}{
		{kolla.Uniform, "127.0.0.1:4000", "127.0.0.1:4000"},
		{kolla.PerHost, "127.0.0.1:4000", "10.0.0.1:4000"},
		{kolla.All, "10.0.0.1:4000", "10.0.0.1:4000"},
	} {
		b := preloadBench(t, 2)
		b.cfg.Fallback = c.fallback
		b.agents[1].check.Disk = &message.Problem{Reason: message.ReasonDisk}
		rep, err := b.run()
		if err != nil || rep.Hosts[1].Outcome != progress.Central || rep.PreloadFailed() != 0 {
			t.Fatalf("%s: %+v, %v", c.fallback, rep.Hosts, err)
		}
		for i, want := range []string{c.local, c.leaner} {
			var req message.Preload
			if err := json.Unmarshal(b.agents[i].bytes[message.CallPreload], &req); err != nil || req.Registry != want || req.Images.Len() != 1 {
				t.Errorf("%s: host %d loads %v from %q (%v), want %q", c.fallback, i, req.Images, req.Registry, err, want)
			}
		}
	}
}

// TestPreloadFaultsLeaveTheOutcome: what a host serves is one thing (R7), what its
// engine has is another; both are told, and counted.
func TestPreloadFaultsLeaveTheOutcome(t *testing.T) {
	for name, c := range map[string]struct {
		spoil  func(*fakeAgent)
		reason string
		asked  int // how often to load
	}{
		"no room":     {func(f *fakeAgent) { f.errs["room"] = failure(message.ReasonDisk, "/var/lib/docker needs 9 MB") }, message.ReasonDisk, 0},
		"no engine":   {func(f *fakeAgent) { f.errs["room"] = failure(message.ReasonEngine, "none") }, message.ReasonEngine, 0},
		"engine ends": {func(f *fakeAgent) { f.errs["preload"] = failure(message.ReasonEngine, "down") }, message.ReasonEngine, 1},
		"one image": {func(f *fakeAgent) {
			f.preloaded = message.Preloaded{Faults: []message.LoadFault{{Image: "x", Text: "no space left"}}}
		}, message.ReasonEngine, 1},
	} {
		t.Run(name, func(t *testing.T) {
			b := preloadBench(t, 2)
			c.spoil(b.agents[1])
			rep, err := b.run()
			if err != nil || rep.Outcome(progress.Local) != 2 {
				t.Fatalf("%+v, %v", rep.Counts, err)
			}
			p := rep.Hosts[1].Preload
			if rep.PreloadFailed() != 1 || p == nil || p.Reason != c.reason || p.Detail == "" {
				t.Errorf("%d failed, %+v", rep.PreloadFailed(), p)
			}
			if row := rep.Rows()[1]; !strings.Contains(row.Reason, "preload: "+c.reason) {
				t.Errorf("the table says %q", row.Reason)
			}
			if got := b.agents[1].did(message.CallPreload); got != c.asked {
				t.Errorf("it was asked to load %d times, want %d", got, c.asked)
			}
			if rep.Hosts[0].Preload.failed() || b.agents[0].did(message.CallPreload) != 1 {
				t.Errorf("the other host: %+v", rep.Hosts[0].Preload)
			}
		})
	}
}

func TestPreloadRules(t *testing.T) {
	set := &store.Set{Images: []store.Image{
		{Repository: "kolla/centos-source-nova-api", Tag: "6"},
		{Repository: "kolla/centos-source-nova-compute", Tag: "6"},
		{Repository: "kolla/mariadb", Tag: "6"},
	}}
	for _, c := range []struct {
		name  string
		rules []PreloadRule
		host  Host
		want  string
	}{
		{"no rule", nil, Host{}, "0-2"},
		{"a name", []PreloadRule{{Pattern: "*-nova-*"}}, Host{}, "0-1"},
		{"a repository", []PreloadRule{{Pattern: "kolla/m*"}}, Host{}, "2"},
		{"with the tag", []PreloadRule{{Pattern: "kolla/mariadb:6"}}, Host{}, "2"},
		{"of another role", []PreloadRule{{Role: "COMPUTER", Pattern: "*"}}, Host{Roles: []string{"CONTROLLER_LB"}}, ""},
		{"of its role", []PreloadRule{{Role: "COMPUTER", Pattern: "*compute"}, {Pattern: "mariadb"}}, Host{Roles: []string{"COMPUTER"}}, "1-2"},
		{"the host's own", []PreloadRule{{Pattern: "*"}}, Host{Preload: []string{"mariadb"}}, "2"},
		{"the host wants none", nil, Host{Preload: []string{}}, ""},
	} {
		r := &run{set: set, cfg: Config{PreloadImages: c.rules}}
		if got := r.imagesFor(&host{cfg: c.host}); got.String() != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
	r := &run{set: set, cfg: Config{PreloadImages: []PreloadRule{{Pattern: "*-nvoa-*"}, {Pattern: "*"}}}}
	if r.warnOfUnused(); len(r.warnings) != 1 || !strings.Contains(r.warnings[0], "nvoa") {
		t.Errorf("warnings %q", r.warnings)
	}
}
