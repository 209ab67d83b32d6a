package imageset

import (
	"context"
	"crypto/sha512"
	"encoding/hex"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/daisy-mcast/daisy-mcast/pkg/store"
)

func TestFindBundle(t *testing.T) {
	dir := t.TempDir()
	touch := func(name string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	touch("registry-server.tar")
	touch("kolla-image.tgz.sha512sum")
	if err := os.Mkdir(filepath.Join(dir, "kolla.tgz"), 0o755); err != nil {
		t.Fatal(err)
	}
	if _, err := FindBundle(dir); !errors.Is(err, ErrNoBundle) {
		t.Errorf("none: %v", err)
	}
	if _, err := FindBundle(filepath.Join(dir, "absent")); !errors.Is(err, ErrNoBundle) {
		t.Errorf("no directory: %v", err)
	}
	touch("kolla-image-queens-1.tgz")
	if got, err := FindBundle(dir); err != nil || got != filepath.Join(dir, "kolla-image-queens-1.tgz") {
		t.Errorf("one: %v, %v", got, err)
	}
	touch("kolla-image-queens-2.tgz")
	if _, err := FindBundle(dir); !errors.Is(err, ErrManyBundles) || !strings.Contains(err.Error(), "queens-1.tgz, kolla-image-queens-2.tgz") {
		t.Errorf("two: %v", err)
	}
}

func TestCheckSumBesideTheBundle(t *testing.T) {
	bundle := bundleOf(t, small())
	path := writeBundle(t, bundle)
	sum := sha512.Sum512(bundle)
	right, wrong := hex.EncodeToString(sum[:]), strings.Repeat("0", 128)
	base := filepath.Base(path)
	beside := path + ".sha512sum"
	if err := CheckSum(context.Background(), path); err != nil {
		t.Errorf("without a file: %v", err)
	}
	for _, tt := range []struct {
		name, text string
		ok         bool
	}{
		{beside, right + "  " + base + "\n", true},
		{beside, strings.ToUpper(right) + " *" + base + "\n", true},
		{beside, wrong + "  other.tgz\n" + right + "  ./" + base + "\n", true},
		{beside, right + "\n", true},
		{beside, right + "  renamed.tgz\n", true},
		{strings.TrimSuffix(path, ".tgz") + ".sha512sum", right + "  " + base + "\n", true},
		{beside, wrong + "  " + base + "\n", false},
		{beside, wrong + "  a.tgz\n" + right + "  b.tgz\n", false},
		{beside, "", false},
		{beside, "hello\n", false},
		{beside, right[:126] + "  " + base + "\n", false},
	} {
		if err := os.WriteFile(tt.name, []byte(tt.text), 0o644); err != nil {
			t.Fatal(err)
		}
		for name, check := range map[string]func() error{
			"CheckSum": func() error { return CheckSum(context.Background(), path) },
			"Import": func() error {
				st := newStore(t)
				_, err := Import(context.Background(), path, st, ImportOptions{})
				if err != nil {
					checkEmpty(t, st)
				}
				return err
			},
		} {
			if err := check(); (err == nil) != tt.ok || err != nil && !errors.Is(err, ErrCheckSum) {
				t.Errorf("%s of %q: %v", name, tt.text, err)
			}
		}
		if err := os.Remove(tt.name); err != nil {
			t.Fatal(err)
		}
	}
}

func TestParseVersion(t *testing.T) {
	commit := "0123456789abcdef0123456789abcdef01234567"
	for _, tt := range []struct {
		text string
		want store.Release
	}{
		{commit + "\nbranch = stable/queens\ntag = 6.0.0\ndate = 2018-03-01 12:00:00\n",
			store.Release{Branch: "stable/queens", Tag: "6.0.0", Date: "2018-03-01 12:00:00", Commit: commit}},
		{"tag=7.0.0\r\nother = x\nnoise\ntag = 8\n", store.Release{Tag: "7.0.0"}},
		{"", store.Release{}},
		{"date = a = b", store.Release{Date: "a = b"}},
	} {
		if got, err := parseVersion([]byte(tt.text)); err != nil || got != tt.want {
			t.Errorf("%q: %+v, %v", tt.text, got, err)
		}
	}
	if _, err := parseVersion([]byte("tag = \xff")); !errors.Is(err, ErrCorrupt) {
		t.Errorf("binary: %v", err)
	}
}

// A tag ends up in a YAML file and on terminals.
func TestImportRefusesControlCharactersInTheVersion(t *testing.T) {
	files := unpackBundle(t, bundleOf(t, small()))
	i := files.find(t, func(name string) bool { return strings.HasSuffix(name, ".version") })
	files[i].body = []byte("tag = 6\x1b[2J\n")
	st := newStore(t)
	if _, err := importBytes(st, files.tar(t)); !errors.Is(err, store.ErrSet) {
		t.Errorf("got %v", err)
	}
	checkEmpty(t, st)
}
