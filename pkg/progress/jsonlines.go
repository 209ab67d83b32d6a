package progress

import (
	"bytes"
	"encoding/json"
	"time"
)

// jsonLines writes each event as a line. Of kind Bytes it leaves out all that
// come sooner than jsonInterval after another one, but not the one with which a step has sent all.
type jsonLines struct {
	step       string    // of the last line of kind Bytes
	last       time.Time // when that was
	isComplete bool      // whether it said that all was sent
}

// jsonInterval keeps a thousand hosts' numbers from being more than what is
// sent: 30 kB an event.
const jsonInterval = 250 * time.Millisecond

func (j *jsonLines) event(out *bytes.Buffer, e Event) {
	if e.Kind == Bytes && !j.isDue(e) {
		return
	}
	line, err := json.Marshal(e)
	if err != nil { // a rate that is no number: nothing else of an Event can fail
		e.Rate, e.Share = 0, 0
		if line, err = json.Marshal(e); err != nil {
			return
		}
	}
	out.Write(line)
	out.WriteByte('\n')
}

func (j *jsonLines) isDue(e Event) bool {
	isComplete := e.Total > 0 && e.Sent >= e.Total
	if e.Step == j.step && e.Time.Sub(j.last) < jsonInterval && (!isComplete || j.isComplete) {
		return false
	}
	j.step, j.last, j.isComplete = e.Step, e.Time, isComplete
	return true
}

func (j *jsonLines) tick(*bytes.Buffer, time.Time) {}

func (j *jsonLines) close(*bytes.Buffer, time.Time) {}
