package kolla

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/daisy-mcast/daisy-mcast/pkg/pyyaml"
)

// A Concern is the sort of a Finding.
type Concern string

const (
	// Overrides is said of a file that is read after the drop-in and has another
	// value, so that the drop-in has no effect.
	Overrides Concern = "overrides"
	// Replaced is what the operator has written and the drop-in overrides.
	Replaced Concern = "replaced"
	// Differs is a variable that the drop-in does not set, and that says that
	// this Kolla is of another release than the set.
	Differs Concern = "differs"
	// Lacking is a service's own image or tag that the set does not have.
	Lacking Concern = "lacking"
	// Unread is a file of which it is not known what it sets.
	Unread Concern = "unread"
)

// A Finding is what in the operator's files does not go with the drop-in (R13).
type Finding struct {
	Concern  Concern `json:"concern"`
	File     string  `json:"file"`
	Line     int     `json:"line,omitempty"` // 0: the file as a whole
	Variable string  `json:"variable,omitempty"`
	Value    string  `json:"value,omitempty"`
	Message  string  `json:"message"` // with Variable and Value, without File and Line
}

// String returns f as file:line: message.
func (f Finding) String() string {
	if f.Line == 0 {
		return f.File + ": " + f.Message
	}
	return fmt.Sprintf("%s:%d: %s", f.File, f.Line, f.Message)
}

// Check reads globals.yml and what else is in globals.d and returns what does
// not go with the drop-in d and the set's images, in the order of the files. It
// never writes. A directory that does not exist has no files; a file that cannot
// be understood is a Finding.
func Check(globalsFile, globalsDir string, d DropIn, images Images) ([]Finding, error) {
	d, err := d.normal()
	if err != nil {
		return nil, err
	}
	files, err := globalsFiles(globalsFile, globalsDir)
	if err != nil {
		return nil, err
	}
	var findings []Finding
	for i, path := range files {
		g, err := readGlobals(path)
		if err != nil {
			if i == 0 && !isText(err) {
				return nil, fmt.Errorf("reading Kolla's globals: %w", err)
			}
			findings = append(findings, unread(path, err))
			continue
		}
		if i > 0 && filepath.Base(path) == FileName && isOurs(g.text) {
			continue
		}
		concern := Replaced
		if i > 0 && filepath.Base(path) >= FileName {
			concern = Overrides
		}
		findings = append(findings, g.against(path, concern, d)...)
		findings = append(findings, g.lacking(path, images)...)
	}
	return findings, nil
}

// isText reports whether err is about what a file says, not about reading it.
func isText(err error) bool {
	var e *pyyaml.Error
	return errors.As(err, &e)
}

func unread(path string, err error) Finding {
	f := Finding{Concern: Unread, File: path}
	var e *pyyaml.Error
	if errors.As(err, &e) {
		f.Line = e.Line
		without := *e
		without.File, without.Line = "", 0
		err = &without
	}
	f.Message = "not checked: " + strings.TrimPrefix(err.Error(), ": ")
	return f
}

// against returns the settings that differ from the drop-in's.
func (g globals) against(path string, concern Concern, d DropIn) []Finding {
	var findings []Finding
	for _, variable := range []string{VariableRegistry, VariableNamespace, VariableTag, VariableRelease} {
		s, ok := g.setting(variable)
		if !ok {
			continue
		}
		f := Finding{Concern: concern, File: path, Line: s.line, Variable: variable, Value: s.value}
		wanted, others := d.value(variable)
		switch {
		case variable != VariableRegistry && variable != VariableNamespace && variable != d.ReleaseVariable:
			if !d.isOtherRelease(s) {
				continue
			}
			f.Concern = Differs
			f.Message = fmt.Sprintf("%s is %s: the set is for a Kolla that reads %s, %q", variable, s.shown(), d.ReleaseVariable, d.Tag)
		case s.isScalar && (s.value == wanted || slices.Contains(others, s.value)):
			continue
		case concern == Overrides:
			f.Message = fmt.Sprintf("%s is %s: this file is read after %s and wins over its %s", variable, s.shown(), FileName, wanted)
		default:
			f.Message = fmt.Sprintf("%s is %s: the drop-in sets it to %s", variable, s.shown(), wanted)
		}
		findings = append(findings, f)
	}
	return findings
}

// value returns what the drop-in makes of a variable, and other values that come
// to the same.
func (d DropIn) value(variable string) (wanted string, others []string) {
	switch {
	case variable == VariableNamespace:
		return d.Namespace, nil
	case variable != VariableRegistry:
		return d.Tag, nil
	case d.usesCentral() && d.Fallback != All:
		return "one or the other, by host", nil
	case d.usesCentral():
		wanted = d.Central
	default:
		wanted = d.Local
	}
	return wanted, []string{fmt.Sprintf("{{ %s | default('%s') }}", Override, wanted)}
}

// isOtherRelease reports whether s, which sets the one variable of a release
// that the drop-in does not, tells that Kolla is not of the set's release.
func (d DropIn) isOtherRelease(s setting) bool {
	if s.value == "" || s.value == d.Tag || strings.Contains(s.value, "{{") {
		return false
	}
	if s.variable == VariableTag { // Kolla before Train has none
		return true
	}
	name, ofSet := releaseName(s.value), releaseName(d.Tag)
	isOld, known := isBeforeTrain(name)
	_, setIsKnown := isBeforeTrain(ofSet)
	isVersion := strings.Trim(ofSet, "0123456789.") == "" && !strings.HasPrefix(ofSet, "20")
	return known && (isOld || setIsKnown && !isVersion && name != ofSet)
}

// shown quotes the value of s for a message.
func (s setting) shown() string {
	switch {
	case !s.isScalar:
		return "not a text"
	case s.value == "":
		return "empty"
	}
	return fmt.Sprintf("%q", clip(s.value))
}

// lacking returns the images and tags of single services that the set does not
// have. Templates are not evaluated and never found.
func (g globals) lacking(path string, images Images) []Finding {
	var findings []Finding
	for _, s := range g.imageSettings() {
		missing := images.missing(s)
		if missing == "" {
			continue
		}
		findings = append(findings, Finding{
			Concern: Lacking, File: path, Line: s.line, Variable: s.variable, Value: s.value,
			Message: fmt.Sprintf("%s is %s: the set has no %s", s.variable, s.shown(), missing),
		})
	}
	return findings
}

// missing says what the set lacks of what s asks for, or "".
func (im Images) missing(s setting) string {
	switch {
	case s.variable == VariableTag, s.variable == "octavia_amp_image_tag": // Glance's tag, not an image's
		return ""
	case strings.HasSuffix(s.variable, "_tag"):
		if tagGrammar.MatchString(s.value) && !slices.Contains(im.Tags, s.value) {
			return "tag " + s.value
		}
		return ""
	}
	name, tag, ok := splitReference(s.value)
	switch {
	case !ok:
		return ""
	case !slices.Contains(im.Names, name):
		return "image " + name
	case tag != "" && !slices.Contains(im.Tags, tag):
		return "tag " + tag
	}
	return ""
}

// splitReference returns the last part of an image's path and its tag, if it
// has one. ok is false for what is no reference with a path: the name of an
// image of Glance's, a template.
func splitReference(ref string) (name, tag string, ok bool) {
	ref, _, _ = strings.Cut(ref, "@")
	slash := strings.LastIndexByte(ref, '/')
	if slash < 0 {
		return "", "", false
	}
	name, tag, _ = strings.Cut(ref[slash+1:], ":")
	ok = isRepository(name) && (tag == "" || tagGrammar.MatchString(tag)) && !strings.Contains(ref, "{{")
	return name, tag, ok
}
