package pyyaml

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// An Error is one thing that is wrong in a file. It never quotes a value: the
// value may be a password.
type Error struct {
	File  string
	Line  int    // 1 is the first; 0: the file as a whole
	Field string // such as hosts[2].roles; "" for the document
	Want  string // what is expected there; "" when Problem is set
	Got   string // what is there instead, such as "an integer"

	Problem string // says it all, when want and got do not fit
}

func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(place(e.File, e.Line))
	if e.Field != "" {
		b.WriteString(": " + e.Field)
	}
	switch {
	case e.Problem != "":
		b.WriteString(": " + e.Problem)
	case e.Got == "":
		b.WriteString(": missing; want " + e.Want)
	default:
		b.WriteString(": want " + e.Want + ", got " + e.Got)
	}
	return b.String()
}

// A Warning is something that is accepted and yet worth a look.
type Warning struct {
	File string
	Line int // 0: the file as a whole
	Text string
}

func (w Warning) String() string { return place(w.File, w.Line) + ": " + w.Text }

func place(file string, line int) string {
	if line == 0 {
		return file
	}
	return fmt.Sprintf("%s:%d", file, line)
}

// problems gathers what is wrong with one document.
type problems struct {
	errs     []*Error
	more     int // errors beyond maxProblems
	warnings []Warning
}

func (p *problems) add(e *Error) {
	if len(p.errs) >= maxProblems {
		p.more++
		return
	}
	p.errs = append(p.errs, e)
}

func (p *problems) warn(w Warning) {
	if len(p.warnings) < maxProblems {
		p.warnings = append(p.warnings, w)
	}
}

// err joins the errors in the order of their lines, one line each.
func (p *problems) err(file string) error {
	sorted := slices.Clone(p.errs)
	slices.SortStableFunc(sorted, func(a, b *Error) int { return cmp.Compare(a.Line, b.Line) })
	joined := make([]error, 0, len(sorted)+1)
	for _, e := range sorted {
		joined = append(joined, e)
	}
	if p.more > 0 {
		joined = append(joined, fmt.Errorf("%s: and %d more", file, p.more))
	}
	return errors.Join(joined...)
}
