package e2e

import "testing"

// TestBundlesAreWhatTheTestsThink guards the tests' own reading of a bundle.
func TestBundlesAreWhatTheTestsThink(t *testing.T) {
	small, changed := smallBundle(t), changedBundle(t)
	differ := 0
	for ref, digest := range small.tags {
		if changed.tags[ref] == "" {
			t.Errorf("%s is gone in the changed bundle", ref)
		}
		if changed.tags[ref] != digest {
			differ++
		}
	}
	if differ != 1 || len(small.tags) != 3 {
		t.Errorf("%d of %d images differ, want 1 of 3", differ, len(small.tags))
	}
	if len(small.homes)+len(small.tags) != len(small.blobs) {
		t.Errorf("%d configs and layers and %d manifests, but %d blobs", len(small.homes), len(small.tags), len(small.blobs))
	}
	if n := bigBundle(t).size(); n < 15<<20 {
		t.Errorf("the big bundle has %d bytes", n)
	}
}
