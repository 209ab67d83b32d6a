package kolla

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// An ImageRef is one image of a set as a registry names it.
type ImageRef struct {
	Repository string // kolla/centos-binary-keystone
	Tag        string // 6.0.0
}

// A Release says what a set was made from. Both may be empty.
type Release struct {
	Branch string // stable/queens
	Tag    string // 6.0.0
}

// Images is how Kolla's variables have to read for a set. FromSet makes it.
type Images struct {
	Namespace       string   // docker_namespace: kolla, lokolla, openstack.kolla
	Tag             string   // the value of ReleaseVariable
	ReleaseVariable string   // VariableRelease or VariableTag, by the age of Kolla
	Names           []string // without the namespace, sorted, none twice
	Tags            []string // every tag of the set, sorted
}

// ErrNoImages is returned for a set without a single image.
var ErrNoImages = errors.New("kolla: the set has no images")

// An AmbiguousError is returned when a set does not say which value a variable
// of Kolla's must have: two of them are carried by equally many images.
type AmbiguousError struct {
	What       string   // namespace or tag
	Candidates []string // sorted
}

func (e *AmbiguousError) Error() string {
	return fmt.Sprintf("kolla: the set has no single %s: as many images carry %s",
		e.What, strings.Join(e.Candidates, " as "))
}

// FromSet derives Kolla's variables from the images of a set and the release
// that it was made from. Kolla has one namespace and one tag for all images, so
// when the set has several, the most frequent is taken, and what that leaves
// out is said in the warnings. A tie is an AmbiguousError, unless the release's
// own tag decides it.
func FromSet(refs []ImageRef, rel Release) (Images, []string, error) {
	if len(refs) == 0 {
		return Images{}, nil, ErrNoImages
	}
	for _, r := range refs {
		if err := r.validate(); err != nil {
			return Images{}, nil, err
		}
	}
	var im Images
	var err error
	im.Namespace, err = mostFrequent("namespace", census(refs, ImageRef.namespace), "")
	if err != nil {
		return Images{}, nil, err
	}
	if im.Namespace == "" {
		return Images{}, nil, fmt.Errorf("kolla: the images have no namespace, as in %q: Kolla asks for <namespace>/<name>", refs[0].Repository)
	}
	inside := slices.Collect(func(yield func(ImageRef) bool) {
		for _, r := range refs {
			if r.namespace() == im.Namespace && !yield(r) {
				return
			}
		}
	})
	im.Tag, err = mostFrequent("tag", census(inside, func(r ImageRef) string { return r.Tag }), rel.Tag)
	if err != nil {
		return Images{}, nil, err
	}
	im.Names = distinct(inside, ImageRef.name)
	im.Tags = distinct(inside, func(r ImageRef) string { return r.Tag })

	warnings := leftOut(refs, im)
	variable, known := releaseVariable(rel.Branch, im.Tag)
	im.ReleaseVariable = variable
	if !known {
		warnings = append(warnings, fmt.Sprintf("the set does not say which release of OpenStack it is (branch %q, tag %q): %s is set, which Kolla reads from Train on",
			rel.Branch, im.Tag, variable))
	}
	return im, warnings, nil
}

// namespace returns the path of r up to its last slash.
func (r ImageRef) namespace() string {
	i := strings.LastIndexByte(r.Repository, '/')
	return r.Repository[:max(i, 0)]
}

// name returns the last part of r's path.
func (r ImageRef) name() string {
	return r.Repository[strings.LastIndexByte(r.Repository, '/')+1:]
}

func (r ImageRef) validate() error {
	if !isRepository(r.Repository) {
		return fmt.Errorf("kolla: not the name of a repository: %q", clip(r.Repository))
	}
	if !tagGrammar.MatchString(r.Tag) {
		return fmt.Errorf("kolla: not a tag: %q, of %s", clip(r.Tag), r.Repository)
	}
	return nil
}

// census maps each value of key to the number of repositories that have it: an
// image under two tags counts once for each.
func census(refs []ImageRef, key func(ImageRef) string) map[string]int {
	seen := make(map[[2]string]bool, len(refs))
	count := make(map[string]int)
	for _, r := range refs {
		k := [2]string{r.Repository, key(r)}
		if !seen[k] {
			seen[k] = true
			count[k[1]]++
		}
	}
	return count
}

// mostFrequent returns the key with the highest count. Among equals it is
// preferred, when that is one of them.
func mostFrequent(what string, count map[string]int, preferred string) (string, error) {
	top := slices.Max(slices.Collect(maps.Values(count)))
	var best []string
	for value, n := range count {
		if n == top {
			best = append(best, value)
		}
	}
	if slices.Contains(best, preferred) {
		return preferred, nil
	}
	if len(best) > 1 {
		slices.Sort(best)
		return "", &AmbiguousError{What: what, Candidates: best}
	}
	return best[0], nil
}

func distinct(refs []ImageRef, key func(ImageRef) string) []string {
	all := make([]string, 0, len(refs))
	for _, r := range refs {
		all = append(all, key(r))
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// leftOut names the images that Kolla will not find under im's namespace and
// tag. An image that also has the right name is not one of them.
func leftOut(refs []ImageRef, im Images) []string {
	reachable := make(map[string]bool, len(refs))
	for _, r := range refs {
		if r.namespace() == im.Namespace && r.Tag == im.Tag {
			reachable[r.Repository] = true
		}
	}
	var outside, otherTag []string
	for _, r := range refs {
		switch ref := r.Repository + ":" + r.Tag; {
		case reachable[r.Repository]:
		case r.namespace() != im.Namespace:
			outside = append(outside, ref)
		default:
			otherTag = append(otherTag, ref)
		}
	}
	var warnings []string
	if len(outside) > 0 {
		warnings = append(warnings, fmt.Sprintf("not in the namespace %s, so not found by Kolla: %s", im.Namespace, some(outside)))
	}
	if len(otherTag) > 0 {
		warnings = append(warnings, fmt.Sprintf("without the tag %s, so not found by Kolla: %s", im.Tag, some(otherTag)))
	}
	return warnings
}

// some lists the first few of names, sorted, and counts the others.
func some(names []string) string {
	const shown = 5
	names = slices.SortedFunc(slices.Values(names), cmp.Compare[string])
	if len(names) <= shown {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:shown], ", "), len(names)-shown)
}
