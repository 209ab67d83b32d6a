package progress

import (
	"fmt"
	"strings"
	"time"
)

// status says how far the running step is.
func (v *view) status(now time.Time) string {
	var parts []string
	switch {
	case v.total > 0:
		parts = append(parts, fmt.Sprintf("%d %%", percent(v.stepFraction())), formatBytes(v.sent)+" of "+formatBytes(v.total))
	case v.sent > 0: // a stream's end is not known
		parts = append(parts, formatBytes(v.sent))
	}
	if len(parts) > 0 && v.meter.rate > 0 {
		parts = append(parts, formatRate(v.meter.rate))
	}
	if eta, ok := v.eta(); ok {
		parts = append(parts, "ETA "+formatDuration(eta))
	} else {
		parts = append(parts, "running "+formatDuration(now.Sub(v.stepStarted)))
	}
	if v.hostsTotal > 0 {
		parts = append(parts, fmt.Sprintf("%d of %s done", v.settled(), plural(v.hostsTotal, "host")))
	}
	return strings.Join(parts, ", ")
}

// slowestHosts names the three hosts that are furthest behind.
func (v *view) slowestHosts() string {
	var parts []string
	for _, h := range v.slowest(3) {
		parts = append(parts, fmt.Sprintf("%s %d %%", clean(h.name), percent(float64(h.received)/float64(v.total))))
	}
	return strings.Join(parts, " ")
}

func stepTitle(e Event) string {
	if e.Of == 0 {
		return clean(e.Step)
	}
	return fmt.Sprintf("step %d/%d %s", e.Index, e.Of, clean(e.Step))
}

func hostLine(e Event) string {
	return clean(e.Host) + ": " + clean(e.State) + suffix(": ", e.Reason)
}

func warningLine(e Event) string {
	return "warning: " + clean(e.Message) + suffix(", on ", e.Host)
}

// after says how long something took, or nothing when its start is not known.
func after(start, end time.Time) string {
	if start.IsZero() {
		return ""
	}
	return " in " + formatDuration(end.Sub(start))
}

func suffix(separator, s string) string {
	if s = clean(s); s == "" {
		return ""
	}
	return separator + s
}
