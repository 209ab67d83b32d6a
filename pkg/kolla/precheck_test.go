package kolla

import (
	"errors"
	"slices"
	"strings"
	"testing"
)

const kollaInventory = `{
  "_meta": {"hostvars": {
    "computer01": {"ansible_host": "10.20.11.11"},
    "computer02": {"ansible_ssh_host": "FD00::0:12"},
    "deployer": {"ansible_connection": "local"},
    "odd": {"ansible_host": 5}
  }},
  "all": {"children": ["ungrouped", "baremetal", "deployment"]},
  "ungrouped": {"hosts": ["odd"]},
  "baremetal": {"children": ["control", "compute"]},
  "control": {"hosts": ["controller01"], "children": ["baremetal"]},
  "compute": {"hosts": ["computer01", "computer02"]},
  "deployment": {"hosts": ["deployer"]}
}`

func TestR14PrecheckNamesHostsWithoutRegistry(t *testing.T) {
	computer01 := Unserved{"computer01", "10.20.11.11"}
	computer02 := Unserved{"computer02", "FD00::0:12"}
	controller01 := Unserved{"controller01", ""}
	for _, tt := range []struct {
		name   string
		served []string
		want   []Unserved
	}{
		{"nobody", nil, []Unserved{computer01, computer02, controller01}},
		{"by name", []string{"Controller01", "computer01"}, []Unserved{computer02}},
		{"by address", []string{"10.20.11.11", "fd00::12"}, []Unserved{controller01}},
		{"mapped address", []string{"::ffff:10.20.11.11"}, []Unserved{computer02, controller01}},
		{"strangers", []string{"computer03", ""}, []Unserved{computer01, computer02, controller01}},
		{"all", []string{"controller01", "computer01", "computer02"}, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := Precheck([]byte(kollaInventory), tt.served)
			if err != nil || !slices.Equal(got, tt.want) {
				t.Errorf("got %v (%v), want %v", got, err, tt.want)
			}
		})
	}
}

func TestPrecheckWithoutBaremetal(t *testing.T) {
	inventory := strings.ReplaceAll(kollaInventory, "baremetal", "metal")
	got, err := Precheck([]byte(inventory), []string{"deployer"})
	var names []string
	for _, u := range got {
		names = append(names, u.Name)
	}
	if want := []string{"computer01", "computer02", "controller01", "odd"}; err != nil || !slices.Equal(names, want) {
		t.Errorf("got %v (%v), want %v", names, err, want)
	}
}

func TestPrecheckRefuses(t *testing.T) {
	for _, raw := range []string{
		``, `[]`, `{}`, `null`, `{"_meta": 1}`, `{"_meta": {}, "x": [1]}`,
		`{"_meta": {"hostvars": {"a": 1}}}`, `[WARNING]: x` + kollaInventory,
	} {
		if got, err := Precheck([]byte(raw), nil); !errors.Is(err, ErrInventory) {
			t.Errorf("%.20q: got %v, %v, want ErrInventory", raw, got, err)
		}
	}
}
