package kolla

import (
	"errors"
	"slices"
	"strings"
	"testing"
)

func refs(names ...string) []ImageRef {
	var all []ImageRef
	for _, n := range names {
		repo, tag, _ := strings.Cut(n, ":")
		all = append(all, ImageRef{repo, tag})
	}
	return all
}

func TestR13FromSetTakesNamespaceAndTagOfTheSet(t *testing.T) {
	got, warnings, err := FromSet(refs(
		"lokolla/centos-binary-nova-api:6.0.0",
		"lokolla/centos-binary-keystone:6.0.0",
	), Release{Branch: "stable/queens", Tag: "6.0.0"})
	if err != nil || len(warnings) > 0 {
		t.Fatalf("FromSet: %v, warnings %q", err, warnings)
	}
	if got.Namespace != "lokolla" || got.Tag != "6.0.0" || got.ReleaseVariable != VariableRelease {
		t.Errorf("got %+v", got)
	}
	if want := []string{"centos-binary-keystone", "centos-binary-nova-api"}; !slices.Equal(got.Names, want) {
		t.Errorf("Names = %q, want %q", got.Names, want)
	}
}

func TestFromSetWithSeveralValues(t *testing.T) {
	tests := []struct {
		name           string
		refs           []ImageRef
		rel            Release
		namespace, tag string
		warnings       []string // a part of each
	}{
		{
			name:      "deep namespace",
			refs:      refs("mirror/quay/openstack.kolla/nova-api:2023.1"),
			namespace: "mirror/quay/openstack.kolla", tag: "2023.1",
		},
		{
			name:      "the most frequent namespace",
			refs:      refs("kolla/a:train", "kolla/b:train", "library/registry:2", "registry:2"),
			namespace: "kolla", tag: "train",
			warnings: []string{"library/registry:2, registry:2"},
		},
		{
			name:      "the most frequent tag",
			refs:      refs("kolla/a:9.0.1", "kolla/b:9.0.1", "kolla/c:9.0.0"),
			namespace: "kolla", tag: "9.0.1",
			warnings: []string{"kolla/c:9.0.0"},
		},
		{
			name:      "a tag that all carry, and more",
			refs:      refs("kolla/a:train", "kolla/b:train", "kolla/a:old"),
			namespace: "kolla", tag: "train",
		},
		{
			name:      "the release decides a tie of tags",
			refs:      refs("kolla/a:train", "kolla/a:9.0.1", "kolla/b:train", "kolla/b:9.0.1"),
			rel:       Release{Branch: "stable/train", Tag: "9.0.1"},
			namespace: "kolla", tag: "9.0.1",
		},
		{
			name:      "a release that nobody knows",
			refs:      refs("kolla/a:latest"),
			namespace: "kolla", tag: "latest",
			warnings: []string{"does not say which release"},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, warnings, err := FromSet(tt.refs, tt.rel)
			if err != nil {
				t.Fatal(err)
			}
			if got.Namespace != tt.namespace || got.Tag != tt.tag {
				t.Errorf("got %s and %s, want %s and %s", got.Namespace, got.Tag, tt.namespace, tt.tag)
			}
			if len(warnings) != len(tt.warnings) {
				t.Fatalf("warnings %q, want %q", warnings, tt.warnings)
			}
			for i, want := range tt.warnings {
				if !strings.Contains(warnings[i], want) {
					t.Errorf("warning %q does not say %q", warnings[i], want)
				}
			}
		})
	}
}

func TestFromSetAmbiguous(t *testing.T) {
	for name, tt := range map[string]struct {
		refs []ImageRef
		what string
	}{
		"namespaces": {refs("kolla/a:train", "lokolla/b:train"), "namespace"},
		"tags":       {refs("kolla/a:train", "kolla/b:ussuri"), "tag"},
	} {
		t.Run(name, func(t *testing.T) {
			_, _, err := FromSet(tt.refs, Release{})
			var ambiguous *AmbiguousError
			if !errors.As(err, &ambiguous) || ambiguous.What != tt.what || len(ambiguous.Candidates) != 2 {
				t.Errorf("got %v, want an AmbiguousError about the %s", err, tt.what)
			}
		})
	}
}

func TestFromSetRefuses(t *testing.T) {
	if _, _, err := FromSet(nil, Release{}); !errors.Is(err, ErrNoImages) {
		t.Errorf("no images: %v, want ErrNoImages", err)
	}
	for _, ref := range []ImageRef{
		{"kolla/a", "x y"},
		{"kolla/a", ""},
		{"kolla/a\"", "train"},
		{"Kolla/a", "train"},
		{"kolla/a", "train\n"},
		{"keystone", "train"}, // no namespace
		{"kolla/" + strings.Repeat("a", 250), "train"},
	} {
		if _, _, err := FromSet([]ImageRef{ref}, Release{}); err == nil {
			t.Errorf("%q was taken", ref)
		}
	}
}

func TestR13ReleaseVariable(t *testing.T) {
	for _, tt := range []struct {
		branch, tag, want string
		known             bool
	}{
		{"stable/ocata", "4.0.0", VariableRelease, true},
		{"stable/queens", "6.0.0", VariableRelease, true},
		{"stable/stein", "8.0.0", VariableRelease, true},
		{"stein-eol", "", VariableRelease, true},
		{"refs/heads/stable/pike", "", VariableRelease, true},
		{"stable/train", "9.0.0", VariableTag, true},
		{"unmaintained/yoga", "", VariableTag, true},
		{"stable/zed", "", VariableTag, true},
		{"stable/2023.1", "", VariableTag, true},
		{"stable/2025.2", "", VariableTag, true},
		{"master", "6.0.0", VariableTag, true},
		{"", "queens", VariableRelease, true},
		{"", "2024.1-rocky-9", VariableTag, true},
		{"", "6.0.0", VariableRelease, true},
		{"", "10.0.0", VariableTag, true},
		{"work", "8.0.2", VariableRelease, true},
		{"", "latest", VariableTag, false},
		{"", "6", VariableTag, false},
		{"", "", VariableTag, false},
	} {
		got, known := releaseVariable(tt.branch, tt.tag)
		if got != tt.want || known != tt.known {
			t.Errorf("releaseVariable(%q, %q) = %s, %v, want %s, %v", tt.branch, tt.tag, got, known, tt.want, tt.known)
		}
	}
}
