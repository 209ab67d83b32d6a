package engine

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
)

const (
	// maxAnswer bounds the progress report of one load or pull, in bytes. A pull of
	// 100 layers is some 2 MiB.
	maxAnswer = 64 << 20
	// maxNames bounds the names of one archive.
	maxNames = 10_000
)

var errAnswerSize = fmt.Errorf("an answer of more than %d bytes", maxAnswer)

// A progressReport is what a load or a pull said.
type progressReport struct {
	loaded []string // names or IDs, in the answer's order
}

// readProgress reads a stream of JSON messages to its end. The status is sent
// before the work is done, so an error only stands in the stream.
func readProgress(r io.Reader) (progressReport, error) {
	var report progressReport
	limited := &io.LimitedReader{R: r, N: maxAnswer}
	messages := json.NewDecoder(limited)
	for {
		var m struct {
			Stream      string `json:"stream"`
			Error       string `json:"error"`
			ErrorDetail struct {
				Message string `json:"message"`
			} `json:"errorDetail"`
		}
		switch err := messages.Decode(&m); {
		case limited.N <= 0:
			return report, errAnswerSize
		case errors.Is(err, io.EOF):
			return report, nil
		case err != nil:
			return report, fmt.Errorf("reading the engine's answer: %w", err)
		}
		if m.Error == "" {
			m.Error = m.ErrorDetail.Message
		}
		if m.Error != "" {
			return report, refused(m.Error)
		}
		report.loaded = append(report.loaded, loadedNames(m.Stream)...)
		if len(report.loaded) > maxNames {
			return report, fmt.Errorf("an archive of more than %d names", maxNames)
		}
	}
}

// loadedNames returns the names in one line of a load's answer. Docker writes a
// line for each, Podman one for all with commas between.
func loadedNames(stream string) []string {
	var names []string
	for line := range strings.Lines(stream) {
		line = strings.TrimSpace(line)
		list, ok := strings.CutPrefix(line, "Loaded image: ")
		if !ok {
			list, ok = strings.CutPrefix(line, "Loaded image ID: ")
		}
		if !ok {
			list, ok = strings.CutPrefix(line, "Loaded image(s): ") // Podman before 4
		}
		if !ok {
			continue
		}
		for name := range strings.SplitSeq(list, ",") {
			if name = strings.TrimSpace(name); name != "" {
				names = append(names, name)
			}
		}
	}
	return names
}
