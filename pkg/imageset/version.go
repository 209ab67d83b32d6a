package imageset

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/daisy-mcast/daisy-mcast/pkg/store"
)

// parseVersion reads Daisy's .version file: a line with git's commit, then
// "key = value" lines, of which branch, tag and date matter. Every line may be
// absent; lines that are neither are left to Daisy.
func parseVersion(raw []byte) (store.Release, error) {
	var rel store.Release
	if !utf8.Valid(raw) {
		return rel, fmt.Errorf("%w: .version file is not text", ErrCorrupt)
	}
	fields := map[string]*string{"branch": &rel.Branch, "tag": &rel.Tag, "date": &rel.Date}
	for line := range strings.Lines(string(raw)) {
		line = strings.TrimSpace(line)
		key, value, ok := strings.Cut(line, "=")
		if !ok {
			if rel.Commit == "" && isCommit(line) {
				rel.Commit = line
			}
			continue
		}
		if field := fields[strings.TrimSpace(key)]; field != nil && *field == "" {
			*field = strings.TrimSpace(value)
		}
	}
	return rel, nil
}

// isCommit reports whether s looks like git's name of a commit.
func isCommit(s string) bool {
	return len(s) >= 7 && len(s) <= 64 && strings.Trim(s, "0123456789abcdef") == ""
}
