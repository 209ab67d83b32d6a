package store

import "strings"

// ValidRepository reports whether name fits the grammar of a repository name in
// OCI's distribution-spec: lower-case path components joined by slashes, at
// most 255 bytes. Such a name is safe as a relative path: no component starts
// with a dot or an underscore.
func ValidRepository(name string) bool {
	if name == "" || len(name) > maxRepository {
		return false
	}
	for part := range strings.SplitSeq(name, "/") {
		if !validComponent(part) {
			return false
		}
	}
	return true
}

// validComponent: [a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*
func validComponent(s string) bool {
	if s == "" || !isAlnum(s[0]) || !isAlnum(s[len(s)-1]) {
		return false
	}
	for i := 0; i < len(s); {
		if isAlnum(s[i]) {
			i++
			continue
		}
		run := i
		for run < len(s) && s[run] == s[i] {
			run++
		}
		if !isAlnum(s[run]) || !validSeparator(s[i], run-i) {
			return false
		}
		i = run
	}
	return true
}

func validSeparator(c byte, n int) bool {
	switch c {
	case '.':
		return n == 1
	case '_':
		return n <= 2
	case '-':
		return true
	}
	return false
}

func isAlnum(c byte) bool { return 'a' <= c && c <= 'z' || '0' <= c && c <= '9' }

// ValidTag reports whether tag fits OCI's grammar of a tag:
// [a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}.
func ValidTag(tag string) bool {
	if tag == "" || len(tag) > 128 || tag[0] == '.' || tag[0] == '-' {
		return false
	}
	for i := range len(tag) {
		c := tag[i]
		if !isAlnum(c) && !('A' <= c && c <= 'Z') && c != '_' && c != '.' && c != '-' {
			return false
		}
	}
	return true
}

// validID reports whether id looks like a set's ID.
func validID(id string) bool {
	return len(id) == 64 && strings.Trim(id, "0123456789abcdef") == ""
}
