package kolla

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/daisy-mcast/daisy-mcast/pkg/pyyaml"
)

// isGlobals reports whether Kolla loads a file of this name from globals.d. Its
// older shell script takes only .yml; the newer program takes the three.
func isGlobals(name string) bool {
	switch filepath.Ext(strings.TrimLeft(name, ".")) { // as Python's splitext
	case ".yml", ".yaml", ".json":
		return true
	}
	return false
}

// globalsFiles returns the files that Kolla loads, in its order: a variable has
// the value of the last one. The drop-in itself is left out.
func globalsFiles(globalsFile, globalsDir string) ([]string, error) {
	files := []string{globalsFile}
	entries, err := os.ReadDir(globalsDir) // sorted by name, as Kolla sorts
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("reading Kolla's globals.d: %w", err)
	}
	for _, e := range entries {
		path := filepath.Join(globalsDir, e.Name())
		if !isGlobals(e.Name()) {
			continue
		}
		if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() {
			continue
		}
		files = append(files, path)
	}
	return files, nil
}

// globals is a file of variables.
type globals struct {
	text   []byte
	fields *pyyaml.Fields // nil when the file has no variables
}

const maxGlobals = 1 << 20 // bytes, as pyyaml bounds a file

// readGlobals reads a file of Kolla's variables. What is wrong with its text is
// a *pyyaml.Error.
func readGlobals(path string) (globals, error) {
	f, err := os.Open(path)
	if err != nil {
		return globals{}, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxGlobals+1))
	if err != nil {
		return globals{}, err
	}
	if len(text) > maxGlobals {
		return globals{}, &pyyaml.Error{File: path, Problem: "larger than 1 MiB"}
	}
	if isBlank(text) {
		return globals{}, nil
	}
	if bytes.HasPrefix(text, []byte("$ANSIBLE_VAULT;")) {
		return globals{}, &pyyaml.Error{File: path, Line: 1, Problem: "encrypted by ansible-vault"}
	}
	doc, err := pyyaml.Parse(path, ansibleTag.ReplaceAll(text, []byte("$1!!str$2")))
	if err != nil {
		return globals{}, err
	}
	root := doc.Root()
	if root.IsNull() {
		return globals{}, nil
	}
	fields := root.Fields()
	return globals{text: text, fields: fields}, doc.Err()
}

// ansibleTag finds the tags that Ansible adds to YAML. What they stand before is
// text to us.
var ansibleTag = regexp.MustCompile(`(?m)([:-] +)!(?:vault-encrypted|vault|unsafe)([ \t\r]|$)`)

// isBlank reports whether text is nothing but comments, as the files are that
// come with Kolla. To YAML that is not even a document.
func isBlank(text []byte) bool {
	for line := range bytes.Lines(text) {
		if line = bytes.TrimSpace(line); len(line) > 0 && line[0] != '#' {
			return false
		}
	}
	return true
}

// A setting is a variable as a file sets it.
type setting struct {
	variable string
	line     int
	value    string // "" for null
	isScalar bool   // or else value is empty
}

// setting returns how the file sets a variable; ok is false when it does not.
func (g globals) setting(variable string) (s setting, ok bool) {
	if g.fields == nil {
		return setting{}, false
	}
	node := g.fields.Get(variable)
	if node == nil {
		return setting{}, false
	}
	s = setting{variable: variable, line: node.Line()}
	switch node.Kind() {
	case pyyaml.Str:
		s.value, s.isScalar = node.Text()
	case pyyaml.Null:
		s.isScalar = true
	case pyyaml.Sequence, pyyaml.Mapping, pyyaml.Binary:
	default: // 2023.1 without quotes is a number; Ansible writes it as it stood
		s.value, s.isScalar = g.plain(variable, s.line), true
	}
	return s, true
}

// plain returns the text of an unquoted scalar.
func (g globals) plain(variable string, line int) string {
	for text := range bytes.Lines(g.text) {
		if line--; line > 0 {
			continue
		}
		_, value, found := strings.Cut(string(text), variable)
		if !found {
			value = ": " + string(text) // the value stands on a line of its own
		}
		value = strings.TrimLeft(value, `"': `)
		end := strings.IndexAny(value, " ,}\t\r\n")
		if end < 0 {
			end = len(value)
		}
		return value[:end]
	}
	return ""
}

// candidate finds what may be a variable that names an image or a tag. Whether
// it is one, and not a part of a comment, is for the parsed file to say.
var candidate = regexp.MustCompile(`\b[A-Za-z_][A-Za-z0-9_]*_(?:tag|image|image_full)\b`)

// imageSettings returns the settings of the variables that name images or tags,
// in the order in which the file first mentions them.
func (g globals) imageSettings() []setting {
	var found []setting
	seen := make(map[string]bool)
	for _, variable := range candidate.FindAllString(string(g.text), -1) {
		if seen[variable] {
			continue
		}
		seen[variable] = true
		if s, ok := g.setting(variable); ok && s.isScalar && s.value != "" {
			found = append(found, s)
		}
	}
	return found
}
