package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"
)

// An imageCase measures the main job or a part of it. It prepares what it needs,
// measures a round, and tells the values of its rows.
type imageCase struct {
	name   string
	rows   []imageRow
	rounds int // at most; 0: as the flags say
	open   func(ctx context.Context, t tools, o options) (imageStage, error)
}

// An imageRow is one line of the table.
type imageRow struct {
	title  string
	target target
}

// An imageStage is a case that is ready. Round returns a measure for each row.
type imageStage interface {
	round(ctx context.Context) ([]measure, error)
	close() error
}

// A measure is the value of a row in one round, and what it took.
type measure struct {
	value             float64
	other, ours       time.Duration // what it is compared with, and ours; 0: none
	sender, receivers usage
	others            float64 // cores that worked for others
}

// imageCases is all that is measured of images.
func imageCases() []imageCase {
	return []imageCase{
		{
			name: "files", open: openFiles,
			rows: []imageRow{
				{"importing 2 GB from a plain tar: time of sha256sum on all cores over its blobs / ours", atLeast(0.8)},
				{"the same from a .tgz: time of gzip -dc piped to sha256sum / ours", atLeast(0.8)},
				{"registry verify of 2 GB: time of sha256sum on all cores / ours", atLeast(0.8)},
				{"peak memory of these three: MiB", atMost(128)},
			},
		},
		{
			name: "commit", rounds: 1, open: openCommit,
			rows: []imageRow{{"4 GB, 100 images: from last byte to serving / (1 s + 2 % of the transfer)", atMost(1)}},
		},
		{
			name: "nochange", open: openNoChange,
			rows: []imageRow{{"distribute to 16 hosts that have all 100 images: s", atMost(3)}},
		},
		{
			name: "registry", open: openServed,
			rows: []imageRow{
				{"registry serving one blob of 512 MiB to one client: time of nginx / ours", atLeast(0.8)},
				{"the same to 4 clients at once", atLeast(0.8)},
			},
		},
		{
			name: "endtoend", rounds: 1, open: openEndToEnd,
			rows: []imageRow{{"8 hosts, 1 Gb/s, 1 GB of images: time of 8 x skopeo copy at once / distribute's", atLeast(5)}},
		},
	}
}

// chooseImages returns the cases that the flags ask for.
func chooseImages(o options) (chosen []imageCase) {
	names := strings.Split(o.only, ",")
	for _, c := range imageCases() {
		if o.list {
			fmt.Println(c.name)
		}
		if o.only == "" || slices.Contains(names, c.name) {
			chosen = append(chosen, c)
		}
	}
	return chosen
}

// play runs a case and returns its lines.
func (c imageCase) play(ctx context.Context, t tools, o options) (lines []line, err error) {
	fmt.Fprintf(os.Stderr, "%s\n", c.name)
	for _, w := range c.rows {
		lines = append(lines, line{row: row{title: w.title, target: w.target}, failed: true})
	}
	st, err := c.open(ctx, t, o)
	if err != nil {
		return lines, err
	}
	defer func() { err = errors.Join(err, st.close()) }()
	rounds := o.rounds
	if c.rounds > 0 {
		rounds = min(rounds, c.rounds)
	}
	if o.quick {
		rounds = 1
	}
	var all [][]measure
	for range rounds {
		got, err := st.round(ctx)
		if err != nil {
			return lines, err
		}
		for i, m := range got {
			fmt.Fprintf(os.Stderr, "  %s: %.3f\n", c.rows[i].title, m.value)
		}
		all = append(all, got)
	}
	for i := range lines {
		lines[i].take(i, all)
	}
	return lines, nil
}

// take fills in row i by its rounds.
func (l *line) take(i int, rounds [][]measure) {
	var values []float64
	for _, r := range rounds {
		values = append(values, r[i].value)
	}
	slices.Sort(values)
	l.median, l.low, l.high, l.failed = median(values), values[0], values[len(values)-1], false
	m := rounds[len(rounds)/2][i]
	l.tcp, l.ours, l.others = m.other.Seconds(), m.ours.Seconds(), m.others
	l.sender, l.receivers = m.sender, m.receivers
	for _, r := range rounds {
		l.sender.memory = max(l.sender.memory, r[i].sender.memory)
		l.receivers.memory = max(l.receivers.memory, r[i].receivers.memory)
	}
}
