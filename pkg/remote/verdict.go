package remote

import (
	"context"
	"errors"
	"io"
	"strings"
)

// failed returns the error for the script's "fail STEP MESSAGE".
func failed(text string) error {
	step, message, _ := strings.Cut(Sanitize(text), " ")
	return &Error{Reason: failReason(step, message), Detail: message}
}

func failReason(step, message string) Reason {
	switch step {
	case "own":
		return ReasonReadOnly
	case "write":
		return writeReason(message)
	case "run":
		return runReason(message)
	}
	return ReasonProgram
}

// writeReason reads the C library's messages; the script has set LC_ALL=C.
func writeReason(message string) Reason {
	for _, full := range []string{"No space left on device", "Disk quota exceeded"} {
		if strings.Contains(message, full) {
			return ReasonDisk
		}
	}
	if strings.HasPrefix(message, "gzip: ") {
		return ReasonProgram // what it got was not what it should be
	}
	return ReasonReadOnly
}

// runReason reads "STATUS MESSAGE"; POSIX's shells say 126 for a program that
// is there and may not be run.
func runReason(message string) Reason {
	status, said, _ := strings.Cut(message, " ")
	switch {
	case strings.Contains(said, "Exec format error"):
		return ReasonArch
	case status == "126":
		return ReasonNoExec
	}
	return ReasonProgram
}

// killed returns the error for a session that the watchdog ended.
func (b *bootstrap) killed(why error) error {
	var known *Error
	e := &Error{Reason: contextReason(why, ReasonTimeout), Detail: lastLine(b.session.Stderr()), Err: why}
	switch {
	case errors.As(why, &known):
		return known
	case b.become && errors.Is(why, errSilent):
		e.Reason = ReasonSudo
	case e.Detail == "" && !b.session.loggedIn.Load():
		e.Detail = b.marks.noise
	}
	return e
}

// ended returns the error for a session whose Stdout or Stdin failed with err,
// mostly because the command or the connection has ended.
func (b *bootstrap) ended(err error) error {
	if errors.Is(err, errNoise) {
		return &Error{Reason: ReasonProtocol, Detail: b.marks.noise, Err: err}
	}
	_, _ = io.Copy(io.Discard, io.LimitReader(b.session.Stdout, noiseBytes))
	werr := b.session.Shutdown(context.Background())
	var exit *Error
	if errors.As(werr, &exit) && exit.Reason != ReasonExit {
		return exit
	}
	said := lastLine(b.session.Stderr())
	switch {
	case b.become:
		return &Error{Reason: ReasonSudo, Detail: said}
	case b.session.loggedIn.Load():
		return &Error{Reason: ReasonProgram, Detail: said, Err: werr}
	case said == "":
		said = b.marks.noise
	}
	return &Error{Reason: ReasonNoShell, Detail: said}
}
