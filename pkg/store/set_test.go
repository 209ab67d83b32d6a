package store

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestSetIDIsOfItsContentAlone(t *testing.T) {
	a, _ := fakeSet(t, "one")
	images, blobs := slices.Clone(a.Images), slices.Clone(a.Blobs)
	slices.Reverse(images)
	slices.Reverse(blobs)
	b, err := NewSet(append(images, images[0]), append(blobs, blobs[0]), nil, Release{Date: "later"}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	if a.ID != b.ID || !slices.Equal(a.Images, b.Images) || !slices.Equal(a.Blobs, b.Blobs) {
		t.Errorf("order and repetition changed the set: %s, %s", a.ID, b.ID)
	}
	if c, _ := fakeSet(t, "two"); c.ID == a.ID {
		t.Error("another content has the same ID")
	}
	// The ID names sets on other machines and in later versions: it must not change.
	empty, err := NewSet(nil, nil, nil, Release{}, time.Time{})
	if want := "f75c7fce62fedb2582fe03aaf506979aca42663f22b742c85d0eba54b69469c9"; err != nil || empty.ID != want {
		t.Errorf("empty set has ID %s, want %s", empty.ID, want)
	}
}

func TestSetLookup(t *testing.T) {
	set, c := fakeSet(t, "one")
	if d, ok := set.Lookup("kolla/nova/api", "6.0.0"); !ok || c[d] == nil {
		t.Errorf("got %v, %v", d, ok)
	}
	for _, name := range [][2]string{{"kolla/nova", "6.0.0"}, {"kolla/nova/api", "6"}, {"", ""}, {"zzz", "6.0.0"}} {
		if d, ok := set.Lookup(name[0], name[1]); ok {
			t.Errorf("%v is %v", name, d)
		}
	}
	var total int64
	for _, b := range set.Blobs {
		if got, ok := set.Has(b.Digest); !ok || got != b {
			t.Errorf("Has(%v) = %v, %v", b, got, ok)
		}
		total += b.Size
	}
	if _, ok := set.Has(DigestOf([]byte("other"))); ok {
		t.Error("has a blob that it has not")
	}
	if set.TotalSize() != total {
		t.Errorf("total is %d, want %d", set.TotalSize(), total)
	}
}

func TestValidateRefuses(t *testing.T) {
	some := DigestOf([]byte("x"))
	for name, spoil := range map[string]func(*Set){
		"repository":      func(s *Set) { s.Images[0].Repository = "../../etc" },
		"tag":             func(s *Set) { s.Images[0].Tag = "a/b" },
		"order of images": func(s *Set) { slices.Reverse(s.Images) },
		"double image":    func(s *Set) { s.Images[1] = s.Images[0] },
		"two manifests":   func(s *Set) { s.Images[1] = s.Images[0]; s.Images[1].Manifest = s.Images[0].Manifest },
		"no manifest":     func(s *Set) { s.Images[0].Manifest = some },
		"bad digest":      func(s *Set) { s.Blobs[0].Digest = "sha256:xyz" },
		"order of blobs":  func(s *Set) { slices.Reverse(s.Blobs) },
		"double blob":     func(s *Set) { s.Blobs[1] = s.Blobs[0] },
		"negative size":   func(s *Set) { s.Blobs[0].Size = -1 },
		"huge size":       func(s *Set) { s.Blobs[0].Size = MaxBlobSize + 1 },
		"huge manifest": func(s *Set) {
			for i := range s.Blobs {
				s.Blobs[i].Size = MaxManifest + 1
			}
		},
		"architecture":       func(s *Set) { s.Architectures = []string{"amd64\n"} },
		"many architectures": func(s *Set) { s.Architectures = slices.Repeat([]string{"x"}, 65) },
		"release":            func(s *Set) { s.Release.Tag = "6\x1b[2J" },
		"long release":       func(s *Set) { s.Release.Branch = strings.Repeat("x", 2000) },
		"too many blobs":     func(s *Set) { s.Blobs = make([]Blob, MaxBlobs+1) },
		"too many images":    func(s *Set) { s.Images = make([]Image, MaxImages+1) },
	} {
		set, _ := fakeSet(t, "one")
		spoil(set)
		set.ID = set.computeID()
		if err := set.Validate(); !errors.Is(err, ErrSet) {
			t.Errorf("%s: %v", name, err)
		}
	}
	set, _ := fakeSet(t, "one")
	set.ID = strings.Repeat("0", 64)
	if err := set.Validate(); !errors.Is(err, ErrSet) {
		t.Errorf("wrong ID: %v", err)
	}
}

// Release fields are printed: nothing in them may steer a terminal or turn text round.
func TestValidateRefusesWhatIsNotPrintable(t *testing.T) {
	for _, r := range []rune{0, '\t', '\n', 0x7f, 0x80, 0x85, 0x9b, 0x9f, 0xa0, 0xad, 0x200b, 0x200e, 0x2028,
		0x202a, 0x202e, 0x2066, 0x2069, 0xfeff, 0xfffd, 0xe0041} {
		for _, field := range []func(*Release) *string{
			func(r *Release) *string { return &r.Branch }, func(r *Release) *string { return &r.Tag },
			func(r *Release) *string { return &r.Date }, func(r *Release) *string { return &r.Commit },
		} {
			set, _ := fakeSet(t, "one")
			*field(&set.Release) = "6" + string(r) + "0"
			if err := set.Validate(); !errors.Is(err, ErrSet) {
				t.Errorf("%U: %v", r, err)
			}
		}
	}
	set, _ := fakeSet(t, "one")
	set.Release = Release{Branch: "stable/queens", Date: "2018-03-01 12:00:00 +0800", Tag: "6.0.0-größe-中", Commit: "a\xffb"}
	if err := set.Validate(); !errors.Is(err, ErrSet) {
		t.Errorf("broken UTF-8: %v", err)
	}
	set.Release.Commit = ""
	if err := set.Validate(); err != nil {
		t.Error(err)
	}
}

func TestParseSetBoundsWhatItAllocates(t *testing.T) {
	raw := []byte(`{"blobs":[` + strings.Repeat("{},", 1<<20) + `{}]}`)
	if _, err := ParseSet(raw); !errors.Is(err, ErrSet) || !strings.Contains(err.Error(), "too long") {
		t.Errorf("got %v", err)
	}
}

func TestNames(t *testing.T) {
	for name, want := range map[string]bool{
		"kolla/centos-binary-keystone": true, "a": true, "a.b/c_d/e__f/g---h": true, "0/9": true,
		"": false, "/a": false, "a/": false, "a//b": false, "A": false, "a..b": false, "a___b": false,
		"_layers": false, "a/_manifests": false, ".": false, "..": false, "a/../b": false, "-a": false,
		"a.": false, "a._b": false, "ä": false, "a\x00": false,
		strings.Repeat("a", 255): true, strings.Repeat("a", 256): false,
	} {
		if got := ValidRepository(name); got != want {
			t.Errorf("repository %q: %v", name, got)
		}
	}
	for tag, want := range map[string]bool{
		"6.0.0": true, "latest": true, "_x": true, "A-b.c_d": true, strings.Repeat("t", 128): true,
		"": false, ".x": false, "-x": false, "a/b": false, "a b": false, "..": false, strings.Repeat("t", 129): false,
	} {
		if got := ValidTag(tag); got != want {
			t.Errorf("tag %q: %v", tag, got)
		}
	}
}

func FuzzParseSet(f *testing.F) {
	set, _ := fakeSet(f, "one")
	raw, err := json.Marshal(set)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(raw)
	f.Add([]byte(`{"id":"x","images":null,"blobs":[{"digest":"sha256:0","size":-1}]}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		set, err := ParseSet(raw)
		if err != nil {
			if !errors.Is(err, ErrSet) {
				t.Fatalf("not an ErrSet: %v", err)
			}
			return
		}
		again, err := NewSet(set.Images, set.Blobs, set.Architectures, set.Release, set.Created)
		if err != nil || again.ID != set.ID {
			t.Fatalf("a valid set cannot be made again: %v", err)
		}
	})
}
