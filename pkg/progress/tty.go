package progress

import (
	"bytes"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"
)

// A tty keeps a few lines at the end of the terminal up to date and writes
// lasting lines above them:
//
//	connect: done in 1.2s
//	computer07: failed: unreachable
//	[=========>          ]  46%  step 7/10 send  1m02s
//	52 %, 2.1 GB of 4.0 GB, 112 MB/s, ETA 17s, 1 of 16 hosts done
//	slowest computer02 41 %  computer09 44 %
//
// It does not hide the cursor or change the terminal's mode, so that a program
// that is killed leaves nothing to put right.
type tty struct {
	view
	width func() int // columns
	color bool

	live  int // lines of the view that are on the screen; the cursor is on the last
	drawn time.Time
	dirty bool // an event came since drawn
}

const (
	drawInterval = 100 * time.Millisecond // at most ten times a second
	idleInterval = time.Second            // the clocks go on without an event
	defaultWidth = 80
)

// Sequences of ECMA-48, as every terminal since the VT100 knows them.
const (
	clearBelow = "\x1b[J" // from the cursor to the end of the screen
	clearRight = "\x1b[K"
	red        = "\x1b[31m"
	green      = "\x1b[32m"
	yellow     = "\x1b[33m"
	plainColor = "\x1b[0m"
)

func (t *tty) event(out *bytes.Buffer, e Event) {
	began := t.stepStarted
	isNewState := t.apply(e)
	t.dirty = true
	switch e.Kind {
	case StepDone:
		t.above(out, "", fmt.Sprintf("%s: done%s", clean(e.Step), after(began, e.Time)))
	case HostState:
		if isNewState && isOutcome(e.State) {
			t.above(out, outcomeColor(Outcome(e.State)), hostLine(e))
		}
	case Warning:
		t.above(out, yellow, warningLine(e))
	case Log:
		t.above(out, "", cleanLog(e.Message))
	case Done:
		t.above(out, "", "done"+after(t.started, e.Time)+suffix(": ", e.Message))
	}
	t.tick(out, e.Time)
}

// tick draws when something is new and the last time is long enough ago.
func (t *tty) tick(out *bytes.Buffer, now time.Time) {
	since := now.Sub(t.drawn)
	if t.dirty && since >= drawInterval || since >= idleInterval {
		t.draw(out, now)
	}
}

// close takes the live view away, so that what follows begins on a free line.
func (t *tty) close(out *bytes.Buffer, _ time.Time) { t.erase(out) }

// above writes a lasting line where the live view was. The view comes back with
// the next draw.
func (t *tty) above(out *bytes.Buffer, color, line string) {
	t.erase(out)
	t.drawn = time.Time{}
	if t.color && color != "" {
		line = color + line + plainColor
	}
	out.WriteString(line + "\n")
}

func (t *tty) erase(out *bytes.Buffer) {
	if t.live > 0 {
		t.home(out)
		out.WriteString(clearBelow)
	}
	t.live = 0
}

// home moves the cursor to the first column of the view's first line.
func (t *tty) home(out *bytes.Buffer) {
	out.WriteByte('\r')
	if t.live > 1 {
		fmt.Fprintf(out, "\x1b[%dA", t.live-1)
	}
}

func (t *tty) draw(out *bytes.Buffer, now time.Time) {
	t.drawn, t.dirty = now, false
	if !t.isRunning() {
		t.erase(out)
		return
	}
	lines := t.frame(now)
	if t.live > 0 {
		t.home(out)
	}
	for i, line := range lines {
		if i > 0 {
			out.WriteByte('\n')
		}
		out.WriteString(line + clearRight)
	}
	if t.live > len(lines) {
		out.WriteString(clearBelow)
	}
	t.live = len(lines)
}

// frame returns the live view's lines. None is as wide as the terminal, which
// would make the cursor's place depend on the terminal.
func (t *tty) frame(now time.Time) []string {
	width := t.width()
	if width <= 0 {
		width = defaultWidth
	}
	title := stepTitle(Event{Step: t.step, Index: t.index, Of: t.of})
	tail := fmt.Sprintf(" %3d%%  %s  %s", percent(t.jobFraction()), title, formatDuration(now.Sub(t.started)))
	lines := []string{t.bar(width-1-utf8.RuneCountInString(tail)) + tail, t.status(now)}
	if s := t.slowestHosts(); s != "" {
		lines = append(lines, "slowest "+s)
	}
	for i := range lines {
		lines[i] = cut(lines[i], width-1)
	}
	return lines
}

// bar draws how far the whole run is, within width columns.
func (t *tty) bar(width int) string {
	const narrowest, widest = 6, 42
	width = min(width, widest) - len("[]")
	if width < narrowest {
		return ""
	}
	full := int(t.jobFraction() * float64(width))
	if full >= width {
		return "[" + strings.Repeat("=", width) + "]"
	}
	return "[" + strings.Repeat("=", full) + ">" + strings.Repeat(" ", width-full-1) + "]"
}

func outcomeColor(o Outcome) string {
	switch o {
	case Local:
		return green
	case Central:
		return yellow
	}
	return red
}
