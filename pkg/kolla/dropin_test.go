package kolla

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the golden files anew")

const central = "10.20.11.2:4000"

// dropIns are rendered to testdata/<name>.golden. Each value is what Ansible
// has to make of docker_registry on the host of the same place in ansibleHosts.
var dropIns = []struct {
	name     string
	dropIn   DropIn
	registry [3]string
}{
	{
		name:     "uniform",
		dropIn:   DropIn{Namespace: "lokolla", Tag: "6.0.0", ReleaseVariable: VariableRelease, Central: central, Leaning: []string{"computer02"}},
		registry: [3]string{LocalRegistry, LocalRegistry, "registry.example:5000"},
	},
	{
		name:     "per-host",
		dropIn:   DropIn{Namespace: "openstack.kolla", Tag: "2023.1", Fallback: PerHost, Central: central, Leaning: []string{"computer03", "computer02", "computer02"}},
		registry: [3]string{LocalRegistry, central, "registry.example:5000"},
	},
	{
		name:     "per-host-nobody-leans",
		dropIn:   DropIn{Namespace: "kolla", Tag: "train", Fallback: PerHost},
		registry: [3]string{LocalRegistry, LocalRegistry, "registry.example:5000"},
	},
	{
		name:     "uniform-but-one",
		dropIn:   DropIn{Namespace: "kolla", Tag: "train", Central: central, Leaning: []string{"controller01"}, Bypassing: []string{"computer02"}},
		registry: [3]string{LocalRegistry, central, "registry.example:5000"},
	},
	{
		name:     "all",
		dropIn:   DropIn{Namespace: "kolla", Tag: "9.0.1", Fallback: All, Central: central, Leaning: []string{"computer02"}},
		registry: [3]string{central, central, "registry.example:5000"},
	},
}

// ansibleHosts are the hosts that the cases above speak of. The third sets
// Override in the inventory.
var ansibleHosts = [3]string{"controller01", "computer02", "computer03"}

func TestR13Render(t *testing.T) {
	for _, tt := range dropIns {
		t.Run(tt.name, func(t *testing.T) {
			got, err := Render(tt.dropIn)
			if err != nil {
				t.Fatal(err)
			}
			golden := filepath.Join("testdata", tt.name+".golden")
			if *update {
				if err := os.WriteFile(golden, got, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if string(got) != string(want) {
				t.Errorf("got:\n%s\nwant:\n%s", got, want)
			}
			if !isOurs(got) {
				t.Error("the text is not known as ours")
			}
		})
	}
}

func TestR14RenderSaysThatContainersAreRecreated(t *testing.T) {
	got, err := Render(DropIn{Namespace: "kolla", Tag: "train"})
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(got), "recreate") || !strings.Contains(string(got), "makes it anew") {
		t.Errorf("the comment does not warn:\n%s", got)
	}
}

func TestRenderDoesNotTouchItsArgument(t *testing.T) {
	leaning := []string{"b", "a"}
	if _, err := Render(DropIn{Namespace: "kolla", Tag: "train", Fallback: PerHost, Central: central, Leaning: leaning}); err != nil {
		t.Fatal(err)
	}
	if leaning[0] != "b" {
		t.Error("the caller's slice was sorted")
	}
}

func TestRenderRefuses(t *testing.T) {
	good := DropIn{Namespace: "kolla", Tag: "train", Fallback: PerHost, Central: central, Leaning: []string{"a"}}
	if _, err := Render(good); err != nil {
		t.Fatal(err)
	}
	for name, spoil := range map[string]func(*DropIn){
		"empty namespace":        func(d *DropIn) { d.Namespace = "" },
		"namespace with a quote": func(d *DropIn) { d.Namespace = `kolla"` },
		"empty tag":              func(d *DropIn) { d.Tag = "" },
		"tag with a template":    func(d *DropIn) { d.Tag = "{{ x }}" },
		"other variable":         func(d *DropIn) { d.ReleaseVariable = "kolla_base_distro" },
		"other fallback":         func(d *DropIn) { d.Fallback = "none" },
		"host with a quote":      func(d *DropIn) { d.Leaning = []string{"a'b"} },
		"host with a brace":      func(d *DropIn) { d.Leaning = []string{"a}}b"} },
		"host with a backslash":  func(d *DropIn) { d.Leaning = []string{`a\b`} },
		"host with a line end":   func(d *DropIn) { d.Leaning = []string{"a\n"} },
		"empty host":             func(d *DropIn) { d.Leaning = []string{""} },
		"long host":              func(d *DropIn) { d.Leaning = []string{strings.Repeat("a", 254)} },
		"central with a scheme":  func(d *DropIn) { d.Central = "https://10.20.11.2:4000" },
		"central with a path":    func(d *DropIn) { d.Central = "10.20.11.2:4000/x" },
		"central without a port": func(d *DropIn) { d.Central = "10.20.11.2" },
		"central, port zero":     func(d *DropIn) { d.Central = "10.20.11.2:0" },
		"no central":             func(d *DropIn) { d.Central = "" },
		"local with a quote":     func(d *DropIn) { d.Local = "a'b:4000" },
		"address with a zone":    func(d *DropIn) { d.Local = "[fe80::1%e'th0]:4000" },
	} {
		t.Run(name, func(t *testing.T) {
			d := good
			spoil(&d)
			if got, err := Render(d); err == nil {
				t.Errorf("rendered:\n%s", got)
			}
		})
	}
}

func TestRenderTakesAddresses(t *testing.T) {
	for _, address := range []string{"10.20.11.2:4000", "[fd00::2]:4000", "daisy-server.example:4000", "daisy:4000"} {
		d := DropIn{Namespace: "kolla", Tag: "train", Fallback: All, Central: address, Leaning: []string{"a"}}
		if _, err := Render(d); err != nil {
			t.Errorf("%s: %v", address, err)
		}
	}
}
