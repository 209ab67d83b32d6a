package imageset

import (
	"fmt"
	"strings"

	"github.com/daisy-mcast/daisy-mcast/pkg/store"
)

// ParsePlatform reads os/architecture[/variant], or an architecture alone, which is
// Linux's.
func ParsePlatform(s string) (store.Platform, error) {
	parts := strings.Split(s, "/")
	if len(parts) == 1 {
		parts = []string{"linux", s}
	}
	for _, p := range parts {
		if p == "" || strings.Trim(p, "abcdefghijklmnopqrstuvwxyz0123456789_.") != "" {
			return store.Platform{}, fmt.Errorf("%q is not a platform: want linux/amd64, say", s)
		}
	}
	switch len(parts) {
	case 2:
		return store.Platform{OS: parts[0], Architecture: parts[1]}, nil
	case 3:
		return store.Platform{OS: parts[0], Architecture: parts[1], Variant: parts[2]}, nil
	}
	return store.Platform{}, fmt.Errorf("%q is not a platform: want linux/amd64, say", s)
}

// wantsPlatform reports whether an image of an index is to be taken. Without a
// choice all that the source has are, attestations too.
func (o ImportOptions) wantsPlatform(p *store.Platform) bool {
	if len(o.Platforms) == 0 || p == nil {
		return true
	}
	for _, want := range o.Platforms {
		if p.OS == want.OS && p.Architecture == want.Architecture && (want.Variant == "" || p.Variant == want.Variant) {
			return true
		}
	}
	return false
}
