package e2e

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/daisy-mcast/daisy-mcast/test/lab"
)

// The exit codes of distribute, from the design, not from the code.
const (
	exitLocal       = 0
	exitUsage       = 2
	exitCentral     = 3
	exitFailed      = 4
	exitInterrupted = 130
)

// runTimeout is what a run is given with --timeout, and runSlack what it may
// take beyond for starting, for the last words, and on a busy machine.
const (
	runTimeout = 60 * time.Second
	runSlack   = 20 * time.Second
)

// A report is what --report writes, as far as the tests read it.
type report struct {
	Schema    int          `json:"schema"`
	PackBytes int64        `json:"pack_bytes"`
	SentBytes int64        `json:"sent_bytes"`
	Hosts     []reportHost `json:"hosts"`
	Warnings  []string     `json:"warnings"`
}

type reportHost struct {
	Name     string `json:"name"`
	Address  string `json:"address"`
	Outcome  string `json:"outcome"`
	Reason   string `json:"reason"`
	Detail   string `json:"detail"`
	Received int64  `json:"received_bytes"`
	Lost     int64  `json:"lost_packets"`
	Repaired int64  `json:"repaired_packets"`
	Preload  struct {
		Images  int    `json:"images"`
		Loaded  int    `json:"loaded"`
		Present int    `json:"present"`
		Reason  string `json:"reason"`
		Detail  string `json:"detail"`
	} `json:"preload"`
}

// why is all that the report says about what went wrong.
func (h reportHost) why() string { return h.Reason + ": " + h.Detail }

// A run is one run of distribute that has ended.
type run struct {
	lab.Result
	t      *testing.T
	report report
	raw    string // the report's text
}

// command makes the command line of a run. Arguments come after the usual ones,
// so that they win.
func (f *fleet) command(args ...string) []string {
	usual := []string{"daisy-mcast", "distribute", "--report", reportFile,
		"--progress", "plain", "--timeout", runTimeout.String()}
	if f.protocol != "" {
		usual = append(usual, "--protocol", f.protocol)
	}
	if !slices.Contains(args, "--dha") && !slices.Contains(args, "--hosts") {
		usual = append(usual, "--hosts", hostsFile)
	}
	return append(usual, args...)
}

// distribute runs the program on the deploy server and waits for it.
func (f *fleet) distribute(args ...string) run {
	f.t.Helper()
	return f.finish(f.start(args...))
}

// start starts the program on the deploy server.
func (f *fleet) start(args ...string) *lab.Process {
	f.t.Helper()
	f.must(f.deploy.Shell(f.t.Context(), "rm -f "+reportFile))
	p, err := f.deploy.Start(lab.Cmd{Args: f.command(args...)})
	f.must(err)
	return p
}

// finish waits for the program and reads its report. It checks what holds of
// every run (I3, I4).
func (f *fleet) finish(p *lab.Process) run {
	f.t.Helper()
	ctx, cancel := context.WithTimeout(f.t.Context(), runTimeout+runSlack)
	defer cancel()
	r := run{t: f.t, Result: p.WaitContext(ctx)}
	if r.Err != nil {
		f.t.Fatalf("the run has no end (I3): %v", r.Result)
	}
	f.t.Logf("%v", r.Result)
	if r.HeldOpen {
		f.t.Errorf("something that the run left holds its output open: %v", r.Result)
	}
	data, err := f.deploy.ReadFile(reportFile)
	if err != nil {
		return r // a run that changed nothing has no report; the tests that need one look
	}
	r.raw = string(data)
	if err := json.Unmarshal(data, &r.report); err != nil {
		f.t.Fatalf("the report is not JSON: %v\n%s", err, data)
	}
	if r.report.Schema == 0 {
		f.t.Errorf("the report has no schema version:\n%s", data)
	}
	r.wantHonestCode()
	return r
}

// wantHonestCode checks that the exit code says what the report does (I4, R7).
func (r run) wantHonestCode() {
	r.t.Helper()
	if r.Code == exitInterrupted || r.Code == exitUsage || len(r.report.Hosts) == 0 {
		return
	}
	want := exitLocal
	for _, h := range r.report.Hosts {
		if h.Preload.Reason != "" {
			want = exitFailed
		}
		switch h.Outcome {
		case "local":
		case "central":
			want = max(want, exitCentral)
		default:
			want = exitFailed
		}
	}
	if r.Code != want {
		r.t.Errorf("exit code %d, but the report says %d:\n%s", r.Code, want, r.raw)
	}
}

// wantCode ends the test when the run ended with another exit code.
func (r run) wantCode(code int) {
	r.t.Helper()
	if r.Code != code {
		r.t.Fatalf("want exit code %d: %v\nreport:\n%s", code, r.Result, r.raw)
	}
}

// host is what the report says of one.
func (r run) host(name string) reportHost {
	r.t.Helper()
	for _, h := range r.report.Hosts {
		if h.Name == name {
			return h
		}
	}
	r.t.Fatalf("the report has no %s: %v\nreport:\n%s", name, r.Result, r.raw)
	return reportHost{}
}

// want checks a host's outcome, and that the report's reason and the table both
// say one of the words.
func (r run) want(name, outcome string, words ...string) {
	r.t.Helper()
	h := r.host(name)
	if h.Outcome != outcome {
		r.t.Errorf("%s is %q (%s), want %q\n%v\nreport:\n%s", name, h.Outcome, h.why(), outcome, r.Result, r.raw)
		return
	}
	if len(words) == 0 {
		return
	}
	says := func(text string) bool {
		return slices.ContainsFunc(words, func(w string) bool {
			return strings.Contains(strings.ToLower(text), strings.ToLower(w))
		})
	}
	if !says(h.why()) {
		r.t.Errorf("%s: the reason %q has none of %q", name, h.why(), words)
	}
	if !says(r.Stdout) {
		r.t.Errorf("%s: the table has none of %q:\n%s", name, words, r.Stdout)
	}
}

// wantLocal checks that these hosts serve themselves: by the report, and by
// asking each over HTTP from within.
func (f *fleet) wantLocal(r run, b bundle, hosts ...*lab.Host) {
	f.t.Helper()
	for _, h := range hosts {
		r.want(h.Name(), "local")
		f.wantServed(h, b, "store")
	}
}
