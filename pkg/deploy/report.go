package deploy

import (
	"errors"
	"time"

	"github.com/daisy-mcast/daisy-mcast/pkg/kolla"
	"github.com/daisy-mcast/daisy-mcast/pkg/progress"
)

// ReportSchema is the version of the report's form. It grows when a field is
// taken away or changes its meaning.
const ReportSchema = 1

// A Report is what became of a run, for people's tables and for programs.
type Report struct {
	Schema         int            `json:"schema"`
	Started        time.Time      `json:"started"` // by this machine's clock
	Seconds        float64        `json:"seconds"`
	Error          string         `json:"error,omitempty"` // why the run ended early
	Changed        bool           `json:"changed"`         // reports whether any host, or the drop-in, was changed
	Set            *SetSummary    `json:"set,omitempty"`
	Protocol       string         `json:"protocol"`
	PackBytes      int64          `json:"pack_bytes"` // that some host lacked
	SentBytes      int64          `json:"sent_bytes"` // of the pack; sent once
	SenderRepaired int64          `json:"repaired_packets"`
	Central        string         `json:"central,omitempty"`    // URL
	CentralCA      string         `json:"central_ca,omitempty"` // PEM; what engines have to trust there
	DropIn         *DropIn        `json:"drop_in,omitempty"`
	Counts         map[string]int `json:"counts"` // hosts by outcome
	Hosts          []HostReport   `json:"hosts"`
	Timings        []Timing       `json:"timings"`
	Warnings       []string       `json:"warnings,omitempty"`
}

// A SetSummary names the set that a run was for.
type SetSummary struct {
	ID     string `json:"id"`
	Images int    `json:"images"`
	Blobs  int    `json:"blobs"`
	Bytes  int64  `json:"bytes"`
	Tag    string `json:"tag,omitempty"`
	Image  string `json:"image"` // one of them, repository:tag, to try a registry with
}

// A DropIn says what became of Kolla's drop-in.
type DropIn struct {
	Path   string `json:"path"`
	Action string `json:"action"`
}

// A HostReport is what became of one host (R7).
type HostReport struct {
	Name           string           `json:"name"`
	Address        string           `json:"address"`
	Roles          []string         `json:"roles"`
	Outcome        progress.Outcome `json:"outcome"`
	Reason         string           `json:"reason,omitempty"`
	Detail         string           `json:"detail,omitempty"`
	Step           string           `json:"step,omitempty"` // in which it went wrong
	Registry       string           `json:"registry,omitempty"`
	SurvivesReboot bool             `json:"survives_reboot"`
	Bypasses       bool             `json:"bypasses,omitempty"` // failed, and Kolla pulls from the central registry there
	Changed        bool             `json:"changed"`            // reports whether the host was given anything new
	Received       int64            `json:"received_bytes"`
	Lost           int64            `json:"lost_packets"`
	Repaired       int64            `json:"repaired_packets"`
	RepairedBytes  int64            `json:"repaired_bytes"`
	Overflowed     int64            `json:"overflowed_packets"`
	Preload        *PreloadReport   `json:"preload,omitempty"` // with --preload
	Timings        []Timing         `json:"timings,omitempty"`
}

// A Timing is how long a step took.
type Timing struct {
	Step    string  `json:"step"`
	Seconds float64 `json:"seconds"`
}

// PreloadFailed counts the hosts that serve, but whose engines have not got the
// images that they should have.
func (r *Report) PreloadFailed() (n int) {
	for _, h := range r.Hosts {
		if h.Outcome != progress.Failed && h.Preload.failed() {
			n++
		}
	}
	return n
}

// Outcome counts the hosts with outcome o.
func (r *Report) Outcome(o progress.Outcome) int { return r.Counts[string(o)] }

// finish completes the report. Hosts without an outcome are failed: nothing was
// proven.
func (r *run) finish(err error) *Report {
	rep := &r.report
	rep.Schema, rep.Started, rep.Seconds = ReportSchema, r.started.UTC(), time.Since(r.started).Seconds()
	rep.Protocol, rep.Warnings = r.carrier.Protocol, r.warnings
	rep.Central, rep.CentralCA = r.upstream.URL, string(r.upstream.CA)
	rep.Counts = map[string]int{string(progress.Local): 0, string(progress.Central): 0, string(progress.Failed): 0}
	if err != nil {
		rep.Error = err.Error()
	}
	if r.set != nil {
		rep.Set = &SetSummary{
			ID: r.set.ID, Images: len(r.set.Images), Blobs: len(r.set.Blobs),
			Bytes: r.set.TotalSize(), Tag: r.set.Release.Tag,
			Image: r.set.Images[0].Repository + ":" + r.set.Images[0].Tag,
		}
	}
	for _, h := range r.hosts {
		hr := h.report(err)
		hr.Bypasses = h.bypasses && rep.DropIn != nil
		rep.Counts[string(hr.Outcome)]++
		rep.Changed = rep.Changed || hr.Changed
		rep.Hosts = append(rep.Hosts, hr)
	}
	if d := rep.DropIn; d != nil && d.Action != string(kolla.Unchanged) {
		rep.Changed = true
	}
	return rep
}

func (h *host) report(err error) HostReport {
	hr := HostReport{
		Name: h.name, Address: h.address(), Roles: append([]string{}, h.cfg.Roles...),
		Outcome: h.outcome, Registry: h.served.Mode, SurvivesReboot: h.served.SurvivesReboot,
		Changed:  h.served.Changed || h.switched || h.got.Bytes > 0,
		Received: h.got.Bytes, Lost: h.got.Lost, Repaired: h.got.Repaired,
		RepairedBytes: h.got.RepairedBytes, Overflowed: h.got.Overflowed,
		Timings: h.timings,
	}
	if hr.Outcome == "" {
		hr.Outcome = progress.Failed
	}
	hr.Preload = h.preload.report()
	hr.Changed = hr.Changed || hr.Preload != nil && hr.Preload.Loaded > 0
	if p := h.trouble(); p != nil && hr.Outcome != progress.Local {
		hr.Reason, hr.Detail, hr.Step = p.Reason, p.Text, p.Step
	}
	if hr.Outcome == progress.Failed && hr.Reason == "" && err != nil {
		hr.Reason = "not reached" // the run ended before its turn
		switch {
		case errors.Is(err, ErrInput):
			hr.Reason = "not begun"
		case errors.Is(err, ErrInterrupted):
			hr.Reason = reasonInterrupted
		}
	}
	return hr
}

// Rows are the report's lines of the table.
func (r *Report) Rows() []progress.Row {
	rows := make([]progress.Row, 0, len(r.Hosts))
	for _, h := range r.Hosts {
		row := progress.Row{
			Host: h.Name, Address: h.Address, Outcome: h.Outcome,
			Received: h.Received, Repaired: h.RepairedBytes,
		}
		if row.Host == "" {
			row.Host = h.Address
		}
		if h.Reason != "" {
			row.Reason = h.Reason
		}
		if h.Detail != "" {
			row.Reason += ": " + h.Detail
		}
		if p := h.Preload; p.failed() {
			row.Reason = joinText(row.Reason, "preload: "+joinText(p.Reason, p.Detail))
		}
		if h.Bypasses {
			row.Reason += "; its engine pulls from the central registry"
		}
		for _, t := range h.Timings {
			row.Duration += time.Duration(t.Seconds * float64(time.Second))
		}
		rows = append(rows, row)
	}
	return rows
}
