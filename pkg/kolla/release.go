package kolla

import (
	"strconv"
	"strings"
)

// The variables of Kolla's that the drop-in sets.
const (
	VariableRegistry  = "docker_registry"
	VariableNamespace = "docker_namespace"
	VariableRelease   = "openstack_release" // the images' tag, up to Stein
	VariableTag       = "openstack_tag"     // the images' tag, from Train on
)

// trainVersion is Kolla's own number for Train. It counts releases: 6 is Queens
// and 8 Stein. The years that came later, as in 2023.1, are greater anyway.
const trainVersion = 9

// releaseVariable returns the variable in which a Kolla of this branch looks
// for its images' tag, and whether the branch, or else the tag, told the release.
func releaseVariable(branch, tag string) (variable string, known bool) {
	for _, text := range []string{branch, tag} {
		if isOld, ok := isBeforeTrain(releaseName(text)); ok {
			if isOld {
				return VariableRelease, true
			}
			return VariableTag, true
		}
	}
	return VariableTag, false
}

// isBeforeTrain reports whether the release is older than Train; ok is false
// when it is none that is known. The names are alphabetical up to Zed and begin
// again after it, so that comparing them would be wrong for Caracal.
func isBeforeTrain(release string) (isOld, ok bool) {
	switch release {
	case "austin", "bexar", "cactus", "diablo", "essex", "folsom", "grizzly",
		"havana", "icehouse", "juno", "kilo", "liberty", "mitaka", "newton",
		"ocata", "pike", "queens", "rocky", "stein":
		return true, true
	case "train", "ussuri", "victoria", "wallaby", "xena", "yoga", "zed", "master":
		return false, true
	}
	front, _, dotted := strings.Cut(release, ".")
	number, err := strconv.ParseUint(front, 10, 16)
	return number < trainVersion, dotted && err == nil
}

// releaseName reduces the name of a branch or a tag to the release: queens from
// stable/queens, yoga from unmaintained/yoga and from yoga-eol, 2023.1 from
// 2023.1-rocky-9, where rocky is a distribution of Linux.
func releaseName(s string) string {
	s = strings.ToLower(s[strings.LastIndexByte(s, '/')+1:])
	front, _, _ := strings.Cut(strings.TrimPrefix(s, "stable-"), "-")
	return front
}
