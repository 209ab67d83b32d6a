package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestAPageForEachCommand(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "man")
	if err := run([]string{dir}); err != nil {
		t.Fatal(err)
	}
	for page, want := range map[string]string{
		"daisy-mcast.1":                "daisy-mcast-distribute(1)",
		"daisy-mcast-distribute.1":     "--globals-dir",
		"daisy-mcast-registry-start.1": "registry",
		"daisy-mcast-bundle-create.1":  "--from",
	} {
		raw, err := os.ReadFile(filepath.Join(dir, page))
		if err != nil {
			t.Error(err)
			continue
		}
		if !strings.Contains(string(raw), want) {
			t.Errorf("%s says nothing of %s:\n%.400s", page, want, raw)
		}
	}
	if err := run(nil); err == nil {
		t.Error("no directory was named")
	}
}
