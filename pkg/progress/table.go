package progress

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"
)

// A Row is a host in the table at the end of a run.
type Row struct {
	Host     string
	Address  string
	Outcome  Outcome
	Reason   string        // why it is not Local
	Duration time.Duration // 0 when it never began
	Received int64         // bytes
	Repaired int64         // bytes of Received that came a second time or as parity
}

// RenderTable writes rows in their order, below one line of titles, and returns
// the first error of w.
func RenderTable(w io.Writer, rows []Row) error {
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(tw, "HOST\tADDRESS\tOUTCOME\tTIME\tRECEIVED\tREPAIRED\tREASON")
	for _, r := range rows {
		line := strings.Join([]string{
			cell(r.Host), cell(r.Address), cell(string(r.Outcome)), durationCell(r.Duration),
			bytesCell(r.Received), bytesCell(r.Repaired), cell(r.Reason),
		}, "\t")
		fmt.Fprintln(tw, line)
	}
	if err := tw.Flush(); err != nil {
		return fmt.Errorf("writing the table: %w", err)
	}
	return nil
}

// Summary counts the outcomes of rows in one line, without its line end.
func Summary(rows []Row) string {
	count := make(map[Outcome]int)
	for _, r := range rows {
		count[r.Outcome]++
	}
	var parts []string
	for _, o := range []Outcome{Local, Central, Failed} {
		if count[o] > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", count[o], o))
		}
	}
	if len(parts) == 0 {
		return plural(len(rows), "host")
	}
	return plural(len(rows), "host") + ": " + strings.Join(parts, ", ")
}

// cell returns s, or a dash for nothing, so that each column has a word.
func cell(s string) string {
	if s = clean(s); s == "" {
		return "-"
	}
	return s
}

func durationCell(d time.Duration) string {
	if d <= 0 {
		return "-"
	}
	return formatDuration(d)
}

func bytesCell(n int64) string {
	if n <= 0 {
		return "-"
	}
	return formatBytes(n)
}
