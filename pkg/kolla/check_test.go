package kolla

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// etcKolla makes a directory like /etc/kolla of files by name, and Check's
// findings in it with paths relative to it.
func etcKolla(t *testing.T, files map[string]string, d DropIn, images Images) []string {
	t.Helper()
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "globals.d"), 0o700); err != nil {
		t.Fatal(err)
	}
	if _, ok := files["globals.yml"]; !ok {
		files["globals.yml"] = "# nothing\n"
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	findings, err := Check(filepath.Join(dir, "globals.yml"), filepath.Join(dir, "globals.d"), d, images)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, f := range findings {
		got = append(got, string(f.Concern)+" "+strings.TrimPrefix(f.String(), dir+"/"))
	}
	for name, text := range files {
		if after, err := os.ReadFile(filepath.Join(dir, name)); err != nil || string(after) != text {
			t.Errorf("%s was changed: %v", name, err)
		}
	}
	return got
}

var (
	train  = DropIn{Namespace: "lokolla", Tag: "train"}
	queens = DropIn{Namespace: "lokolla", Tag: "6.0.0", ReleaseVariable: VariableRelease}
	few    = Images{Names: []string{"centos-binary-keystone", "keystone"}, Tags: []string{"6.0.0", "train"}}
)

func TestR13CheckReportsOtherValuesWithFileAndLine(t *testing.T) {
	for _, tt := range []struct {
		name   string
		dropIn DropIn
		files  map[string]string
		want   []string
	}{
		{
			name: "nothing set", dropIn: train,
			files: map[string]string{
				"globals.yml":          "---\n# docker_registry: x\n",
				"globals.d/empty.yml":  "",
				"globals.d/other.json": `{"kolla_base_distro": "rocky"}`,
			},
		},
		{
			name: "the same values", dropIn: train,
			files: map[string]string{
				"globals.yml":        "docker_registry: 127.0.0.1:4000\ndocker_namespace: lokolla\nopenstack_tag: 'train'\nopenstack_release: train\n",
				"globals.d/zzz.yaml": "docker_registry: \"{{ kolla_mcast_registry | default('127.0.0.1:4000') }}\"\n",
			},
		},
		{
			name: "globals.yml is replaced", dropIn: train,
			files: map[string]string{
				"globals.yml": "---\ndocker_registry: 10.20.11.2:4000 # Daisy's\ndocker_namespace:\nopenstack_tag: [1]\n",
			},
			want: []string{
				`replaced globals.yml:2: docker_registry is "10.20.11.2:4000": the drop-in sets it to 127.0.0.1:4000`,
				`replaced globals.yml:3: docker_namespace is empty: the drop-in sets it to lokolla`,
				`replaced globals.yml:4: openstack_tag is not a text: the drop-in sets it to train`,
			},
		},
		{
			name: "before and after the drop-in", dropIn: train,
			files: map[string]string{
				"globals.d/a.yml":           "docker_namespace: kolla\n",
				"globals.d/zz-apple.yml":    "docker_namespace: early\n",
				"globals.d/zz-operator.yml": "docker_namespace: late\n",
				"globals.d/zzz.json":        "{\n  \"docker_namespace\": \"json\"\n}",
				"globals.d/zzz.yml.bak":     "docker_namespace: nobody reads it\n",
				"globals.d/zz-daisy-mcast.yml": header + "\n" +
					"docker_namespace: ours\n",
			},
			want: []string{
				`replaced globals.d/a.yml:1: docker_namespace is "kolla": the drop-in sets it to lokolla`,
				`replaced globals.d/zz-apple.yml:1: docker_namespace is "early": the drop-in sets it to lokolla`,
				`overrides globals.d/zz-operator.yml:1: docker_namespace is "late": this file is read after zz-daisy-mcast.yml and wins over its lokolla`,
				`overrides globals.d/zzz.json:2: docker_namespace is "json": this file is read after zz-daisy-mcast.yml and wins over its lokolla`,
			},
		},
		{
			name: "a foreign file of our name", dropIn: train,
			files: map[string]string{"globals.d/zz-daisy-mcast.yml": "docker_namespace: kolla\n"},
			want: []string{
				`overrides globals.d/zz-daisy-mcast.yml:1: docker_namespace is "kolla": this file is read after zz-daisy-mcast.yml and wins over its lokolla`,
			},
		},
		{
			name: "numbers without quotes", dropIn: DropIn{Namespace: "lokolla", Tag: "2023.1"},
			files: map[string]string{
				"globals.yml":     "openstack_tag: 2023.1\n",
				"globals.d/a.yml": "openstack_tag:   2023.2  # next\n",
				"globals.d/b.yml": "openstack_tag:\n  2024.1\n",
				"globals.d/c.yml": "{a: 1, \"openstack_tag\": 2024.2, b: 2}\n",
			},
			want: []string{
				`replaced globals.d/a.yml:1: openstack_tag is "2023.2": the drop-in sets it to 2023.1`,
				`replaced globals.d/b.yml:2: openstack_tag is "2024.1": the drop-in sets it to 2023.1`,
				`replaced globals.d/c.yml:1: openstack_tag is "2024.2": the drop-in sets it to 2023.1`,
			},
		},
		{
			name: "a Kolla before Train with a later set", dropIn: train,
			files: map[string]string{"globals.yml": "openstack_release: queens\n"},
			want: []string{
				`differs globals.yml:1: openstack_release is "queens": the set is for a Kolla that reads openstack_tag, "train"`,
			},
		},
		{
			name: "a later Kolla with a later set of another release", dropIn: train,
			files: map[string]string{"globals.yml": "openstack_release: \"2023.1\"\n"},
			want: []string{
				`differs globals.yml:1: openstack_release is "2023.1": the set is for a Kolla that reads openstack_tag, "train"`,
			},
		},
		{
			name: "a number as the tag says nothing about a name", dropIn: DropIn{Namespace: "lokolla", Tag: "9.0.1"},
			files: map[string]string{"globals.yml": "openstack_release: train\n"},
		},
		{
			name: "a Kolla from Train on with a set before it", dropIn: queens,
			files: map[string]string{"globals.yml": "openstack_release: 6.0.0\nopenstack_tag: ussuri\n"},
			want: []string{
				`differs globals.yml:2: openstack_tag is "ussuri": the set is for a Kolla that reads openstack_release, "6.0.0"`,
			},
		},
		{
			name:   "all on the central registry",
			dropIn: DropIn{Namespace: "lokolla", Tag: "train", Fallback: All, Central: central, Leaning: []string{"a"}},
			files: map[string]string{
				"globals.yml":     "docker_registry: " + central + "\n",
				"globals.d/a.yml": "docker_registry: 127.0.0.1:4000\n",
			},
			want: []string{
				`replaced globals.d/a.yml:1: docker_registry is "127.0.0.1:4000": the drop-in sets it to 10.20.11.2:4000`,
			},
		},
		{
			name:   "by host",
			dropIn: DropIn{Namespace: "lokolla", Tag: "train", Fallback: PerHost, Central: central, Leaning: []string{"a"}},
			files:  map[string]string{"globals.yml": "docker_registry: 127.0.0.1:4000\n"},
			want: []string{
				`replaced globals.yml:1: docker_registry is "127.0.0.1:4000": the drop-in sets it to one or the other, by host`,
			},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := etcKolla(t, tt.files, tt.dropIn, few)
			if !slices.Equal(got, tt.want) {
				t.Errorf("got:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(tt.want, "\n"))
			}
		})
	}
}

func TestR13CheckReportsWhatTheSetLacks(t *testing.T) {
	got := etcKolla(t, map[string]string{"globals.yml": `
# nova_tag: commented out
keystone_tag: train
nova_tag: ussuri
glance_tag: 5.5
neutron_tag: "{{ openstack_tag }}"
heat_tag:
octavia_amp_image_tag: amphora
nested: {cinder_tag: nowhere}
keystone_image: 127.0.0.1:4000/lokolla/keystone
nova_api_image_full: quay.io/openstack.kolla/nova-api:train
keystone_image_full: "127.0.0.1:4000/lokolla/keystone:yoga"
heat_image_full: "{{ docker_registry }}/lokolla/heat"
keystone_fernet_image_full: 127.0.0.1:4000/lokolla/keystone:train@sha256:abc
tempest_image: cirros
`}, train, few)
	want := []string{
		`lacking globals.yml:4: nova_tag is "ussuri": the set has no tag ussuri`,
		`lacking globals.yml:5: glance_tag is "5.5": the set has no tag 5.5`,
		`lacking globals.yml:11: nova_api_image_full is "quay.io/openstack.kolla/nova-api:train": the set has no image nova-api`,
		`lacking globals.yml:12: keystone_image_full is "127.0.0.1:4000/lokolla/keystone:yoga": the set has no tag yoga`,
	}
	if !slices.Equal(got, want) {
		t.Errorf("got:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestCheckReadsAnsiblesTags(t *testing.T) {
	got := etcKolla(t, map[string]string{"globals.yml": `---
secret: !vault |
  $ANSIBLE_VAULT;1.1;AES256
  6162
raw: !unsafe "{{ x }}"
docker_namespace: !unsafe kolla
`}, train, few)
	want := []string{`replaced globals.yml:6: docker_namespace is "kolla": the drop-in sets it to lokolla`}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestCheckSaysWhatItCouldNotRead(t *testing.T) {
	got := etcKolla(t, map[string]string{
		"globals.yml":         "docker_namespace: a\ndocker_namespace: b\n",
		"globals.d/list.yml":  "\n- docker_namespace\n",
		"globals.d/text.yaml": "docker_namespace: [\n",
		"globals.d/vault.yml": "$ANSIBLE_VAULT;1.1;AES256\n6162\n",
		"globals.d/huge.yml":  strings.Repeat("# x\n", maxGlobals/4+1) + "docker_namespace: b\n",
	}, train, few)
	want := []string{
		"unread globals.yml:2: not checked: ",
		"unread globals.d/huge.yml: not checked: ",
		"unread globals.d/list.yml:2: not checked: want a mapping, got a list",
		"unread globals.d/text.yaml:1: not checked: ",
		"unread globals.d/vault.yml:1: not checked: encrypted by ansible-vault",
	}
	for i := range max(len(got), len(want)) {
		if i >= len(got) || i >= len(want) || !strings.HasPrefix(got[i], want[i]) {
			t.Fatalf("got:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
	}
}

func TestCheckOfAbsentFiles(t *testing.T) {
	dir := t.TempDir()
	if _, err := Check(filepath.Join(dir, "globals.yml"), dir, train, few); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no globals.yml: %v, want ErrNotExist", err)
	}
	file := filepath.Join(dir, "globals.yml")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if got, err := Check(file, filepath.Join(dir, "globals.d"), train, few); err != nil || len(got) > 0 {
		t.Errorf("no globals.d: %v, %v", got, err)
	}
	if err := os.Symlink("/nonexistent/x", filepath.Join(dir, "broken.yml")); err != nil {
		t.Fatal(err)
	}
	got, err := Check(file, dir, train, few)
	if err != nil || len(got) != 1 || got[0].Concern != Unread {
		t.Errorf("a broken link: %v, %v", got, err)
	}
}

func TestKollaTakesFilesByName(t *testing.T) {
	for name, want := range map[string]bool{
		"a.yml": true, "a.yaml": true, "a.json": true, ".hidden.yml": true,
		"a.yml.bak": false, "a.YML": false, ".yml": false, "yml": false, "a.j2": false,
	} {
		if got := isGlobals(name); got != want {
			t.Errorf("isGlobals(%q) = %v, want %v", name, got, want)
		}
	}
}
