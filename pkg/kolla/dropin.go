package kolla

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// FileName is the drop-in's name. Kolla sorts globals.d and the last file wins
// (R13).
const FileName = "zz-daisy-mcast.yml"

// LocalRegistry is where a host's own registry listens.
const LocalRegistry = "127.0.0.1:4000"

// Override is the variable, of a host or a group, that takes the place of the
// drop-in's docker_registry there. docker_registry itself cannot be set per
// host: globals.d is passed with -e, and that has the highest precedence.
const Override = "kolla_mcast_registry"

// Fallback says what Kolla's hosts use when some lean on the central registry.
type Fallback string

const (
	// Uniform is the local registry everywhere; it fetches from the central
	// one what it lacks. It is the default: a registry that differs between
	// hosts makes Kolla recreate containers, and its run_once tasks use the
	// first host's image name on another host.
	Uniform Fallback = "uniform"
	// PerHost is the central registry for the hosts that lean on it.
	PerHost Fallback = "per-host"
	// All is the central registry for every host as soon as one leans on it.
	All Fallback = "all"
)

// A DropIn is what zz-daisy-mcast.yml says.
type DropIn struct {
	Namespace       string   `json:"namespace"`         // docker_namespace
	Tag             string   `json:"tag"`               // the value of ReleaseVariable
	ReleaseVariable string   `json:"release_variable"`  // default VariableTag
	Fallback        Fallback `json:"fallback"`          // default Uniform
	Local           string   `json:"local"`             // host:port; default LocalRegistry
	Central         string   `json:"central,omitempty"` // host:port; not needed while no host uses it
	// Leaning has Ansible's names of the hosts that lean on Central, in any order.
	Leaning []string `json:"leaning,omitempty"`
	// Bypassing has those of the hosts that have no registry of their own: they
	// take their images from Central, whatever Fallback says, or have none.
	Bypassing []string `json:"bypassing,omitempty"`
}

// header is the first line of each of our files: by it Write and Remove tell
// ours from another's. It must never change.
const header = "# Written by daisy-mcast."

const preamble = header + ` Every run makes it anew: what is changed here is
# lost.
#
# Kolla's hosts take their images from the registry that daisy-mcast left on
# each of them. For one host, or a group, that is to use another registry, set
# ` + Override + ` in the inventory.
#
# Changing docker_registry, here or by removing this file, makes Kolla recreate
# every container at its next deploy, reconfigure or upgrade.
`

// Render returns the drop-in's text. Equal values make equal text. It is an
// error when a name or an address is not one: nothing is escaped or left out.
func Render(d DropIn) ([]byte, error) {
	d, err := d.normal()
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	state, err := json.Marshal(d)
	if err != nil {
		return nil, err
	}
	b.WriteString(preamble)
	fmt.Fprintf(&b, "#\n%s%s\n---\n", statePrefix, state)
	fmt.Fprintf(&b, "%s: \"{{ %s | default(%s) }}\"\n", VariableRegistry, Override, d.defaultRegistry())
	fmt.Fprintf(&b, "%s: \"%s\"\n", VariableNamespace, d.Namespace)
	fmt.Fprintf(&b, "%s: \"%s\"\n", d.ReleaseVariable, d.Tag)
	return b.Bytes(), nil
}

// normal returns d with its defaults, and its hosts sorted and each once.
func (d DropIn) normal() (DropIn, error) {
	if d.Local == "" {
		d.Local = LocalRegistry
	}
	if d.Fallback == "" {
		d.Fallback = Uniform
	}
	if d.ReleaseVariable == "" {
		d.ReleaseVariable = VariableTag
	}
	d.Leaning = slices.Compact(slices.Sorted(slices.Values(d.Leaning)))
	d.Bypassing = slices.Compact(slices.Sorted(slices.Values(d.Bypassing)))
	return d, d.validate()
}

func (d DropIn) validate() error {
	switch {
	case !isRepository(d.Namespace):
		return fmt.Errorf("kolla: not a namespace: %q", clip(d.Namespace))
	case !tagGrammar.MatchString(d.Tag):
		return fmt.Errorf("kolla: not a tag: %q", clip(d.Tag))
	case d.ReleaseVariable != VariableRelease && d.ReleaseVariable != VariableTag:
		return fmt.Errorf("kolla: not the variable of a release: %q", clip(d.ReleaseVariable))
	case d.Fallback != Uniform && d.Fallback != PerHost && d.Fallback != All:
		return fmt.Errorf("kolla: not a fallback: %q: it is %s, %s or %s", clip(string(d.Fallback)), Uniform, PerHost, All)
	}
	for _, host := range slices.Concat(d.Leaning, d.Bypassing) {
		if !hostGrammar.MatchString(host) {
			return fmt.Errorf("kolla: not a name that can be written into a template: host %q", clip(host))
		}
	}
	if d.usesCentral() {
		if err := checkAddress(d.Central); err != nil {
			return err
		}
	}
	return checkAddress(d.Local)
}

// usesCentral reports whether the drop-in sends any host to the central registry.
func (d DropIn) usesCentral() bool {
	return len(d.onCentral()) > 0
}

// onCentral returns the hosts that the drop-in has to send to the central
// registry, sorted.
func (d DropIn) onCentral() []string {
	if d.Fallback == Uniform {
		return d.Bypassing
	}
	all := slices.Concat(d.Leaning, d.Bypassing)
	slices.Sort(all)
	return slices.Compact(all)
}

// defaultRegistry returns the argument of Jinja's default filter: where a host
// goes whose variables do not say. The text stands between double quotes in
// YAML, where a line end reads as a space.
func (d DropIn) defaultRegistry() string {
	switch {
	case !d.usesCentral():
		return quote(d.Local)
	case d.Fallback == All:
		return quote(d.Central)
	}
	var b strings.Builder
	b.WriteString("{\n")
	for i, host := range d.onCentral() {
		if i > 0 {
			b.WriteString(",\n")
		}
		fmt.Fprintf(&b, "  %s: %s", quote(host), quote(d.Central))
	}
	fmt.Fprintf(&b, "\n  }.get(inventory_hostname, %s)", quote(d.Local))
	return b.String()
}

// quote makes a literal of Jinja's from what a grammar has let through.
func quote(s string) string { return "'" + s + "'" }
