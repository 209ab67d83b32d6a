package kolla

import (
	"bytes"
	"encoding/json"
	"errors"
	"io/fs"
	"slices"
	"strings"
)

// statePrefix begins the line in which a drop-in says what it was made from: a
// run that is for some hosts only must not forget what it says of the others.
const statePrefix = "# state: "

// Read returns what the drop-in in dir was made from; ok is false when there is
// none, or one from before this was written down. ErrForeign as with Write.
func Read(dir string) (d DropIn, ok bool, err error) {
	root, err := openDir(dir)
	if err != nil {
		return DropIn{}, false, err
	}
	defer root.Close()
	content, _, err := current(root)
	if errors.Is(err, fs.ErrNotExist) {
		return DropIn{}, false, nil
	}
	if err != nil {
		return DropIn{}, false, err
	}
	d, ok = parseState(content)
	return d, ok, nil
}

// parseState finds the state in a drop-in's comment. One that somebody has
// spoiled is none.
func parseState(content []byte) (DropIn, bool) {
	for line := range bytes.Lines(content) {
		text, isState := bytes.CutPrefix(line, []byte(statePrefix))
		if !isState {
			continue
		}
		var d DropIn
		if json.Unmarshal(text, &d) != nil {
			return DropIn{}, false
		}
		d, err := d.normal()
		return d, err == nil
	}
	return DropIn{}, false
}

// Keeping returns d with what an earlier drop-in says of hosts that are not among
// known: the hosts of the run that d is of.
func (d DropIn) Keeping(earlier DropIn, known []string) DropIn {
	others := func(hosts []string) []string {
		return slices.DeleteFunc(slices.Clone(hosts), func(host string) bool {
			return slices.ContainsFunc(known, func(k string) bool { return strings.EqualFold(k, host) })
		})
	}
	d.Leaning = append(slices.Clone(d.Leaning), others(earlier.Leaning)...)
	d.Bypassing = append(slices.Clone(d.Bypassing), others(earlier.Bypassing)...)
	return d
}

// ErrNoState is returned by Bypass when there is no drop-in that says what it was
// made from.
var ErrNoState = errors.New("kolla: no drop-in that this program has written")

// Bypass has the hosts take their images from the central registry: those that
// have no registry of their own. All else in the drop-in stays.
func Bypass(dir string, hosts []string) (Change, error) {
	d, ok, err := Read(dir)
	if err != nil {
		return Change{}, err
	}
	if !ok {
		return Change{}, ErrNoState
	}
	d.Bypassing = append(d.Bypassing, hosts...)
	content, err := Render(d)
	if err != nil {
		return Change{}, err
	}
	return Write(dir, content)
}
