package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	samples "github.com/daisy-mcast/daisy-mcast/pkg/imageset/sample"
	"github.com/daisy-mcast/daisy-mcast/test/lab"
)

// A fleet is a lab with the program on its deploy server, which may log in to the
// targets. All files of its hosts are in memory.
type fleet struct {
	*lab.Lab
	deploy  *lab.Host
	targets []*lab.Host
	verbose bool
}

const (
	fleetHosts  = "/root/hosts.json"
	fleetReport = "/root/report.json"
	fleetBundle = "/root/kolla-image.tgz"
	fleetBase   = "/var/lib/daisy-mcast"
)

// openFleet opens a lab; the deploy server's link has a rate as of tc, bed A.
func openFleet(ctx context.Context, t tools, o options, targets int, rate string) (f *fleet, err error) {
	names := []string{"deploy"}
	for i := range targets {
		names = append(names, fmt.Sprintf("h%d", i+1))
	}
	var cfg lab.Config
	for _, name := range names {
		cfg.Hosts = append(cfg.Hosts, lab.HostConfig{Name: name})
	}
	l, err := lab.Open(ctx, cfg)
	if err != nil {
		return nil, err
	}
	f = &fleet{Lab: l, deploy: l.Host("deploy"), targets: l.Hosts()[1:], verbose: o.verbose}
	if err := f.prepare(ctx, t, rate); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return f, nil
}

func (f *fleet) prepare(ctx context.Context, t tools, rate string) error {
	if err := f.deploy.CopyIn(t.program, "/usr/local/bin/daisy-mcast", 0o755); err != nil {
		return err
	}
	if err := f.deploy.Operator(ctx, "root", "root", f.Hosts()...); err != nil {
		return err
	}
	type entry struct {
		Name    string `json:"name"`
		Address string `json:"address"`
	}
	var list []entry
	for _, h := range f.targets {
		list = append(list, entry{h.Name(), h.Addr().String()})
	}
	data, err := json.Marshal(map[string]any{"hosts": list})
	if err != nil {
		return err
	}
	if err := f.deploy.WriteFile(fleetHosts, data, 0o600); err != nil {
		return err
	}
	if rate == "" {
		return nil
	}
	return f.deploy.LimitRate(rate)
}

func (f *fleet) close() error { return f.Close() }

// warm touches memory that hosts' files will take and gives it back: on a virtual
// machine the first touch of a page can cost more than all that is done with it,
// and only the first that is measured would pay.
func (f *fleet) warm(bytes int64) error {
	return f.deploy.Within(func() error {
		const name = "/root/warm"
		return errors.Join(blankFile(name, bytes), os.Remove(name))
	})
}

// bundle writes a sample to the deploy server.
func (f *fleet) bundle(o samples.Options) error {
	return f.deploy.Within(func() error {
		file, err := os.Create(fleetBundle)
		if err != nil {
			return err
		}
		return errors.Join(samples.Write(file, o), file.Close())
	})
}

// A jobReport is what the benchmark reads of the program's report.
type jobReport struct {
	Counts    map[string]int `json:"counts"`
	SentBytes int64          `json:"sent_bytes"`
	Timings   []struct {
		Step    string  `json:"step"`
		Seconds float64 `json:"seconds"`
	} `json:"timings"`
	Hosts []struct {
		Name    string `json:"name"`
		Outcome string `json:"outcome"`
		Reason  string `json:"reason"`
		Detail  string `json:"detail"`
	} `json:"hosts"`
	Warnings []string `json:"warnings"`
}

// distribute runs the main job, wants every host local, and tells what it took.
func (f *fleet) distribute(ctx context.Context, args ...string) (jobReport, measure, error) {
	var rep jobReport
	if err := f.deploy.Shell(ctx, "rm -f "+fleetReport); err != nil {
		return rep, measure{}, err
	}
	sender, targets, err := f.networks(ctx)
	if err != nil {
		return rep, measure{}, err
	}
	w := newWatch(sender, targets)
	args = append([]string{"daisy-mcast", "distribute", "--hosts", fleetHosts, "--report", fleetReport,
		"--progress", "none", "--protocol", "native"}, append(args, fleetBundle)...)
	r := f.deploy.Run(ctx, args...)
	m := w.stop()
	m.ours = r.Took
	if f.verbose || !r.OK() {
		fmt.Fprintln(os.Stderr, r)
	}
	if !r.OK() {
		return rep, m, fmt.Errorf("distribute ended with code %d", r.Code)
	}
	data, err := f.deploy.ReadFile(fleetReport)
	if err == nil {
		err = json.Unmarshal(data, &rep)
	}
	if err == nil && rep.Counts["local"] != len(f.targets) {
		err = fmt.Errorf("not every host is local: %v", rep.Counts)
	}
	var steps []string
	for _, t := range rep.Timings {
		steps = append(steps, fmt.Sprintf("%s %.2f", t.Step, t.Seconds))
	}
	fmt.Fprintf(os.Stderr, "  distribute %.2f s: %s\n", r.Took.Seconds(), strings.Join(steps, ", "))
	return rep, m, err
}

// networks names the hosts' network namespaces.
func (f *fleet) networks(ctx context.Context) (sender string, targets []string, err error) {
	var all []string
	for _, h := range f.Hosts() {
		r := h.Run(ctx, "readlink", "/proc/self/ns/net")
		if !r.OK() {
			return "", nil, fmt.Errorf("the network of %s is not known: %v", h.Name(), r)
		}
		all = append(all, strings.TrimSpace(r.Stdout))
	}
	return all[0], all[1:], nil
}

// forget has every target hold no images.
func (f *fleet) forget(ctx context.Context) error {
	for _, h := range f.targets {
		for _, p := range h.FindProcesses("registry", "serve") {
			if err := h.KillPID(p.PID, 9); err != nil {
				return err
			}
		}
		if err := h.Shell(ctx, "rm -rf "+fleetBase); err != nil {
			return err
		}
	}
	return nil
}

// endToEnd is the main job against every host copying every image at once.
type endToEnd struct {
	*fleet
	images []string
}

func openEndToEnd(ctx context.Context, t tools, o options) (imageStage, error) {
	f, err := openFleet(ctx, t, o, 8, "1gbit")
	if err != nil {
		return nil, err
	}
	const count, shared = 20, 5
	size := int64(1e9)
	if o.quick {
		size /= 8
	}
	s := samples.Options{Count: count, SharedLayers: shared, LayerSize: size / (count + shared)}
	if err := errors.Join(f.warm(10*size), f.bundle(s)); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return &endToEnd{fleet: f}, nil
}

// round measures distribute to hosts that have nothing, then the copying.
func (e *endToEnd) round(ctx context.Context) ([]measure, error) {
	_, m, err := e.distribute(ctx)
	if err != nil {
		return nil, err
	}
	if err := e.readImages(); err != nil {
		return nil, err
	}
	if err := e.forget(ctx); err != nil { // memory is short
		return nil, err
	}
	m.other, err = e.copyAll(ctx)
	m.value = ratio(m.other, m.ours)
	return []measure{m}, err
}

// readImages reads the list of images off the central store.
func (e *endToEnd) readImages() error {
	files, err := e.deploy.Walk(fleetBase + "/central/docker/registry/v2/repositories")
	if err != nil {
		return err
	}
	e.images = nil
	for path := range files {
		before, ok := strings.CutSuffix(path, "/current/link")
		if !ok {
			continue
		}
		_, name, _ := strings.Cut(before, "/repositories/")
		repository, tag, _ := strings.Cut(name, "/_manifests/tags/")
		e.images = append(e.images, repository+":"+tag)
	}
	if len(e.images) == 0 {
		return errors.New("the central store has no images")
	}
	return nil
}

// copyAll has every host copy every image from the central registry, all hosts at
// once, a host one image after the other into one OCI layout, so that it fetches
// shared layers once as an engine does.
func (e *endToEnd) copyAll(ctx context.Context) (time.Duration, error) {
	central := e.deploy.Addr().String() + ":4000"
	script := "set -e\n"
	for i, ref := range e.images {
		script += fmt.Sprintf("skopeo --insecure-policy copy -q --src-tls-verify=false docker://%s/%s oci:/tmp/oci:i%d\n", central, ref, i)
	}
	begun := time.Now()
	errs := make(chan error, len(e.targets))
	for _, h := range e.targets {
		go func() { errs <- h.Shell(ctx, script) }()
	}
	var all []error
	for range e.targets {
		all = append(all, <-errs)
	}
	took := time.Since(begun)
	fmt.Fprintf(os.Stderr, "  skopeo %.2f s\n", took.Seconds())
	for _, h := range e.targets {
		all = append(all, h.Shell(ctx, "rm -rf /tmp/oci"))
	}
	return took, errors.Join(all...)
}

// noChange is a run with which nothing changes.
type noChange struct{ *fleet }

func openNoChange(ctx context.Context, t tools, o options) (imageStage, error) {
	f, err := openFleet(ctx, t, o, 16, "1gbit")
	if err != nil {
		return nil, err
	}
	s := samples.Options{Count: 100, LayerSize: 2e6}
	if err := f.bundle(s); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	if _, _, err := f.distribute(ctx); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return noChange{f}, nil
}

func (n noChange) round(ctx context.Context) ([]measure, error) {
	rep, m, err := n.distribute(ctx)
	if err == nil && rep.SentBytes != 0 {
		err = fmt.Errorf("%d bytes were sent of what every host has", rep.SentBytes)
	}
	m.value = m.ours.Seconds()
	return []measure{m}, err
}
