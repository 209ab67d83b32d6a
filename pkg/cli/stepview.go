package cli

import (
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"github.com/spf13/pflag"

	"github.com/daisy-mcast/daisy-mcast/pkg/progress"
)

// progressFlag is how bundle's commands, send and receive show what they do.
type progressFlag struct{ mode string }

// AddFlags adds it.
func (f *progressFlag) AddFlags(flags *pflag.FlagSet) {
	flags.StringVar(&f.mode, "progress", "auto", "auto (a live view on a terminal, else nothing), tty, plain, json or none")
}

// A stepView shows the steps of one command on standard error, and notes behind
// them. It is safe for concurrent use.
type stepView struct {
	std     *streams
	display *progress.Display
	isShown bool // display shows something
	steps   int

	mu    sync.Mutex
	step  int // from 1
	last  time.Time
	notes []string
}

// viewInterval is how often a view is told of bytes.
const viewInterval = 200 * time.Millisecond

// open begins a view of so many steps.
func (f *progressFlag) open(std *streams, steps int) (*stepView, error) {
	mode, err := progress.ParseMode(f.mode)
	if err != nil {
		return nil, usage(err, "")
	}
	cfg := progress.Config{Mode: mode, Out: std.Err}
	if file, ok := std.Err.(*os.File); ok {
		cfg = progress.ForFile(mode, file, os.Getenv)
	}
	if cfg.Mode == progress.Auto && !cfg.Terminal {
		cfg.Mode = progress.None
	}
	return &stepView{std: std, display: progress.New(cfg), isShown: cfg.Mode != progress.None, steps: steps}, nil
}

// begin ends the step before and begins another, whose bytes are told to what it
// returns.
func (v *stepView) begin(step string) func(done, total int64) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.step++
	v.display.Event(progress.Event{Kind: progress.StepStarted, Step: step, Index: v.step, Of: v.steps})
	return func(done, total int64) {
		v.mu.Lock()
		defer v.mu.Unlock()
		if now := time.Now(); now.Sub(v.last) >= viewInterval || done == total {
			v.last = now
			v.display.Event(progress.Event{Kind: progress.Bytes, Step: step, Sent: done, Total: total})
		}
	}
}

// log returns where lines go until close that a live view must not be torn by.
func (v *stepView) log() io.Writer {
	if v.isShown {
		return v.display
	}
	return v.std.Err
}

// note keeps a line for the end: a live view would be torn by it.
func (v *stepView) note(text string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.notes = append(v.notes, text)
}

// close ends the view and prints the notes.
func (v *stepView) close() {
	_ = v.display.Close() // an output that is gone does not change what was done
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, text := range v.notes {
		fmt.Fprintf(v.std.Err, "note: %s\n", text)
	}
	v.notes = nil
}
