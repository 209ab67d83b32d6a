package store

import (
	"slices"
)

// Needs says what must be there to serve m, and what of it is absent and may be.
// has tells what is there; archs are the architectures that the whole of it, a
// bundle or a set, has images for.
//
// Of an index the manifests for other platforms than these may be absent, as long
// as one image of it is there: Kolla's multi-arch tags, saved for one
// architecture. A manifest that is absent and says no platform is needed, and so
// is all of an index of which nothing is there. Of an image, foreign layers may be
// absent: engines fetch them from the URLs that the manifest names.
//
// Import, Activate and the registry's verification all go by this.
func (m Manifest) Needs(archs []string, has func(Digest) bool) (needs, absent []Descriptor) {
	mayBeAbsent := Descriptor.Foreign
	children := m.Layers
	if m.IsIndex() {
		children = m.Manifests
		carried := slices.ContainsFunc(children, func(d Descriptor) bool { return d.isImage() && has(d.Digest) })
		mayBeAbsent = func(d Descriptor) bool { return carried && d.isForOther(archs) }
	} else {
		needs = append(needs, *m.Config)
	}
	for _, d := range children {
		if mayBeAbsent(d) && !has(d.Digest) {
			absent = append(absent, d)
		} else {
			needs = append(needs, d)
		}
	}
	return needs, absent
}

// isImage reports whether an index's manifest is an image's as far as the index
// says: attestations have the platform unknown/unknown.
func (d Descriptor) isImage() bool {
	return d.Platform == nil || d.Platform.Architecture != "unknown"
}

// isForOther reports whether an index says that its manifest is for none of archs.
// They are Linux's, as all of Kolla is.
func (d Descriptor) isForOther(archs []string) bool {
	p := d.Platform
	if p == nil || p.Architecture == "" {
		return false
	}
	return p.OS != "" && p.OS != "linux" || !slices.Contains(archs, p.Architecture)
}
