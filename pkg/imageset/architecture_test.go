package imageset

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/daisy-mcast/daisy-mcast/pkg/imageset/sample"
	"github.com/daisy-mcast/daisy-mcast/pkg/store"
)

// TestR5MixedArchitecturesAreNamed: images that the set has for one architecture
// alone, while it has others for two, are told of, by architecture.
func TestR5MixedArchitecturesAreNamed(t *testing.T) {
	dir := t.TempDir()
	var places []Place
	for i, arch := range []string{"amd64", "arm64"} {
		path := filepath.Join(dir, arch+".tgz")
		o := sample.Options{Count: 2, LayerSize: 1000, Architecture: arch, Seed: uint64(i), Namespace: arch}
		if err := os.WriteFile(path, bundleOf(t, o), 0o600); err != nil {
			t.Fatal(err)
		}
		places = append(places, Place{Path: path})
	}
	for _, tt := range []struct {
		places    []Place
		platforms []store.Platform
		want      []string
	}{
		{places: places, want: []string{
			"2 of 4 images have nothing for amd64, which others are for, first arm64/centos-source-keystone:6.0.0",
			"2 of 4 images have nothing for arm64, which others are for, first amd64/centos-source-keystone:6.0.0"}},
		{places: places[:1]},
		{places: places, platforms: []store.Platform{{OS: "linux", Architecture: "arm64"}}, want: []string{
			"amd64/centos-source-keystone:6.0.0 is for amd64 alone, and was taken as it is",
			"amd64/centos-source-mariadb:6.0.0 is for amd64 alone, and was taken as it is"}},
	} {
		var notes []string
		set, err := ImportAll(t.Context(), tt.places, newStore(t), ImportOptions{Platforms: tt.platforms,
			Note: func(s string) { notes = append(notes, s) }})
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(notes, tt.want) {
			t.Errorf("%v of %d images: %s", tt.platforms, len(set.Images), fmt.Sprintf("notes %q, want %q", notes, tt.want))
		}
	}
}
