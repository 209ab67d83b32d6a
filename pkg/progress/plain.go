package progress

import (
	"bytes"
	"fmt"
	"time"
)

// A plain writes a line for each thing worth one, and one for what runs when
// plainInterval or plainPercent have gone by since the last.
type plain struct {
	view
	last        time.Time // of the last line about the running step
	lastPercent int
}

const (
	plainInterval = 5 * time.Second
	plainPercent  = 10
)

func (p *plain) event(out *bytes.Buffer, e Event) {
	began := p.stepStarted
	isNewState := p.apply(e)
	switch e.Kind {
	case StepStarted:
		p.last, p.lastPercent = e.Time, 0
		p.line(out, e.Time, stepTitle(e))
	case StepDone:
		p.line(out, e.Time, fmt.Sprintf("%s: done%s", clean(e.Step), after(began, e.Time)))
	case HostState:
		if isNewState {
			p.line(out, e.Time, hostLine(e))
		}
	case Warning:
		p.line(out, e.Time, warningLine(e))
	case Log:
		out.WriteString(cleanLog(e.Message) + "\n")
	case Done:
		p.line(out, e.Time, "done"+after(p.started, e.Time)+suffix(": ", e.Message))
	case Bytes:
		p.progress(out, e.Time)
	}
}

func (p *plain) tick(out *bytes.Buffer, now time.Time) { p.progress(out, now) }

func (p *plain) close(*bytes.Buffer, time.Time) {}

// progress writes a line about the running step when one is due.
func (p *plain) progress(out *bytes.Buffer, now time.Time) {
	done := percent(p.stepFraction())
	if !p.isRunning() || now.Sub(p.last) < plainInterval && done < p.lastPercent+plainPercent {
		return
	}
	p.last, p.lastPercent = now, done/plainPercent*plainPercent
	p.line(out, now, clean(p.step)+": "+p.status(now)+suffix(", slowest ", p.slowestHosts()))
}

func (p *plain) line(out *bytes.Buffer, at time.Time, text string) {
	fmt.Fprintf(out, "%s %s\n", at.Format(time.TimeOnly), text)
}
