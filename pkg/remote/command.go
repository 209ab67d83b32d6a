package remote

import (
	"fmt"
	"strings"
)

// Command returns a command line that replaces the login shell by
// `/bin/sh -c script name words...`.
//
// The login shell may be any: in single quotes sh takes everything as it is,
// but csh expands "!" and refuses line ends, and fish takes backslashes for
// escapes. So these are refused, and the quote itself.
func Command(script string, words ...string) (string, error) {
	var b strings.Builder
	b.WriteString("exec /bin/sh -c")
	for _, word := range append([]string{script, "daisy-mcast"}, words...) {
		if i := strings.IndexFunc(word, isUnquotable); i >= 0 {
			return "", fmt.Errorf("remote: %q in %q cannot be passed through every login shell", word[i], word)
		}
		b.WriteString(" '" + word + "'")
	}
	return b.String(), nil
}

func isUnquotable(r rune) bool {
	return r < ' ' || r == 0x7f || strings.ContainsRune(`'!\`, r)
}
