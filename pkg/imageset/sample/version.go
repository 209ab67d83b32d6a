package sample

import (
	"fmt"
	"maps"
	"slices"

	"github.com/daisy-mcast/daisy-mcast/pkg/store"
)

// versionName and versionText make the file that Daisy's build puts beside the
// registry.
func versionName(r store.Release) string {
	return fmt.Sprintf("registry-%s-%s.version", r.Tag, epoch.Format("060102150405"))
}

func versionText(r store.Release) string {
	return fmt.Sprintf("%s\nbranch = %s\ntag = %s\ndate = %s\n", r.Commit, r.Branch, r.Tag, r.Date)
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
