package cli

import (
	"context"
	"errors"
	"time"
)

// errInterrupted says that SIGINT or SIGTERM came before what was waited for.
var errInterrupted = errors.New("interrupted")

// signalGrace is how long after a signal another one changes nothing: a terminal sends
// it to all of a job, and sudo and the like hand it on. Later ones end the program at
// once, whatever it is at.
const signalGrace = time.Second

// unlessDone returns what f returns, or errInterrupted once ctx is done: f may open or
// read what never comes, such as a pipe that nobody writes to, or what a person was to
// type. It is left waiting then, until the program ends.
func unlessDone[T any](ctx context.Context, f func() (T, error)) (T, error) {
	type outcome struct {
		value T
		err   error
	}
	ready := make(chan outcome, 1)
	go func() {
		v, err := f()
		ready <- outcome{v, err}
	}()
	select {
	case o := <-ready:
		return o.value, o.err
	case <-ctx.Done():
		var none T
		return none, errInterrupted
	}
}
