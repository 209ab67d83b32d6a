package main

import (
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"strings"
)

// A line is one row of the table with its values, medians over the rounds.
type line struct {
	row
	median, low, high float64
	tcp, ours         float64 // seconds
	sent              float64 // bytes sent over payload
	sender, receivers usage
	others            float64 // cores
	failed            bool    // there is nothing to tell
}

// lines makes the table's rows of a scene.
func (s scene) lines(rounds []round) (lines []line) {
	if len(rounds) == 0 {
		for _, w := range s.rows {
			lines = append(lines, line{row: w, failed: true})
		}
		return lines
	}
	for _, w := range s.rows {
		pick := func(f func(r round) float64) []float64 {
			var all []float64
			for _, r := range rounds {
				all = append(all, f(r))
			}
			slices.Sort(all)
			return all
		}
		mid := func(f func(sample) float64) float64 {
			return median(pick(func(r round) float64 { return f(r.shots[w.shot]) }))
		}
		values := pick(func(r round) float64 { return w.value(r, w.shot) })
		l := line{row: w, median: median(values), low: values[0], high: values[len(values)-1]}
		l.tcp = median(pick(func(r round) float64 { return r.tcp.took.Seconds() }))
		l.ours = mid(func(s sample) float64 { return s.took.Seconds() })
		l.sent = mid(func(got sample) float64 { return float64(got.sent) / float64(s.size) })
		l.others = mid(func(s sample) float64 { return s.others })
		l.sender = midUsage(rounds, func(r round) usage { return r.shots[w.shot].sender })
		l.receivers = midUsage(rounds, func(r round) usage { return r.shots[w.shot].receivers })
		lines = append(lines, l)
	}
	return lines
}

func median(sorted []float64) float64 {
	n := len(sorted)
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}

func midUsage(rounds []round, f func(round) usage) usage {
	var all []usage
	for _, r := range rounds {
		all = append(all, f(r))
	}
	slices.SortFunc(all, func(a, b usage) int { return int(a.cpu - b.cpu) })
	u := all[len(all)/2]
	for _, other := range all {
		u.memory = max(u.memory, other.memory)
	}
	return u
}

// verdict says whether the target is met.
func (l line) verdict() string {
	switch {
	case l.failed:
		return "fail"
	case l.target == target{}:
		return ""
	case l.target.least > 0 && l.median < l.target.least, l.target.most > 0 && l.median > l.target.most:
		return "miss"
	}
	return "ok"
}

func (t target) String() string {
	switch {
	case t.least > 0:
		return fmt.Sprintf(">= %.3g", t.least)
	case t.most > 0:
		return fmt.Sprintf("<= %.3g", t.most)
	}
	return ""
}

func missed(lines []line) (n int) {
	for _, l := range lines {
		if v := l.verdict(); v == "miss" || v == "fail" {
			n++
		}
	}
	return n
}

// describe names the machine.
func describe(w io.Writer) {
	kernel, _ := os.ReadFile("/proc/sys/kernel/osrelease")
	fmt.Fprintf(w, "%d cores (%s), Linux %s, %s\n\n", runtime.NumCPU(), cpuModel(),
		strings.TrimSpace(string(kernel)), runtime.Version())
}

func cpuModel() string {
	info, _ := os.ReadFile("/proc/cpuinfo")
	for l := range strings.Lines(string(info)) {
		if name, value, ok := strings.Cut(l, ":"); ok && strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return "unknown"
}

// printTable prints Markdown that can also be read as it is.
func printTable(w io.Writer, lines []line) {
	table := [][]string{{"case", "target", "value", "", "range", "TCP s", "ours s", "sent / payload",
		"CPU s: sender", "a receiver", "peak MB: sender", "a receiver", "others' cores"}}
	for _, l := range lines {
		table = append(table, []string{
			l.title, l.target.String(), fmt.Sprintf("%.3f", l.median), l.verdict(),
			fmt.Sprintf("%.3f-%.3f", l.low, l.high), number(l.tcp, 2), number(l.ours, 2), number(l.sent, 3),
			number(l.sender.cpu.Seconds(), 2), number(l.receivers.cpu.Seconds(), 2),
			number(float64(l.sender.memory)/1e6, 0), number(float64(l.receivers.memory)/1e6, 0),
			number(l.others, 1),
		})
	}
	widths := make([]int, len(table[0]))
	for _, cells := range table {
		for i, c := range cells {
			widths[i] = max(widths[i], len(c))
		}
	}
	for i, cells := range table {
		printCells(w, cells, widths, " ")
		if i == 0 {
			printCells(w, make([]string, len(cells)), widths, "-")
		}
	}
}

// printCells prints a row: the first column to the left, the others to the right.
func printCells(w io.Writer, cells []string, widths []int, fill string) {
	var b strings.Builder
	for i, c := range cells {
		pad := strings.Repeat(fill, widths[i]-len(c))
		switch {
		case i == 0:
			b.WriteString("|" + fill + c + pad + fill)
		case fill == "-":
			b.WriteString("|" + fill + pad + ":")
		default:
			b.WriteString("|" + fill + pad + c + fill)
		}
	}
	fmt.Fprintln(w, b.String()+"|")
}

// number leaves out what was not measured.
func number(v float64, digits int) string {
	if v == 0 {
		return ""
	}
	return fmt.Sprintf("%.*f", digits, v)
}
