package pyyaml

import (
	"bytes"
	"regexp"
	"strconv"
	"strings"

	"gopkg.in/yaml.v3"
)

// syntaxError turns an error of yaml.v3 into one of ours with the right line.
// consumed is how many lines its parser had looked at.
//
// yaml.v3 gives a line only in its text, and counts it in two ways: an error of
// its scanner names the line itself, or none for the first; an error of its
// parser names the line before the one where the surrounding block begins.
func syntaxError(data []byte, consumed int, err error) *Error {
	line, problem := splitMessage(err.Error())
	switch {
	case strings.HasPrefix(problem, "unknown anchor"):
		// Its name is left out: an unquoted password may begin with a star.
		return &Error{Line: unknownAnchorLine(data, consumed),
			Problem: "an alias (*name) without its anchor; a value that begins with * needs quotes"}
	case strings.Contains(problem, "',' or '"):
		return &Error{Line: line + 1, Problem: "a [ or { that is not closed, or a comma is missing"}
	case isParserProblem(problem):
		return &Error{Line: badLine(data, line+1, consumed, problem), Problem: plainWords(problem)}
	}
	line = max(line, 1)
	if at := leadingTab(data, line, consumed); at > 0 && isTabProblem(problem) {
		return &Error{Line: at, Problem: "a tab in the indentation; YAML wants spaces"}
	}
	return &Error{Line: line, Problem: plainWords(problem)}
}

func splitMessage(text string) (line int, problem string) {
	m := regexp.MustCompile(`(?s)^(?:yaml: )?(?:line (\d+): )?(.*)$`).FindStringSubmatch(text)
	line, _ = strconv.Atoi(m[1])
	return line, strings.ReplaceAll(m[2], "\n", " ")
}

func isParserProblem(problem string) bool {
	switch problem {
	case "did not find expected key", "did not find expected '-' indicator",
		"did not find expected node content", "did not find expected <document start>",
		"found undefined tag handle":
		return true
	}
	return false
}

// plainWords says a problem of the parser as its user would.
func plainWords(problem string) string {
	switch problem {
	case "did not find expected key", "did not find expected '-' indicator",
		"did not find expected <document start>":
		return "malformed YAML here: is the indentation right, and are special characters quoted?"
	case "mapping values are not allowed in this context":
		return "a ': ' where no key can be: is the indentation right, and is the value quoted?"
	}
	return "malformed YAML: " + problem
}

// badLine returns the first line at which the same problem shows: the parser
// has looked at most a few lines beyond it.
func badLine(data []byte, first, consumed int, problem string) int {
	for n := max(first, consumed-3, 1); n < consumed; n++ {
		dec := yaml.NewDecoder(bytes.NewReader(firstLines(data, n)))
		if _, err := decode(dec); err != nil && strings.HasSuffix(err.Error(), problem) {
			return n
		}
	}
	return max(consumed, 1)
}

func firstLines(data []byte, n int) []byte {
	end := 0
	for ; n > 0; n-- {
		i := bytes.IndexByte(data[end:], '\n')
		if i < 0 {
			return data
		}
		end += i + 1
	}
	return data[:end]
}

// unknownAnchorLine finds the last line so far that has an alias.
func unknownAnchorLine(data []byte, consumed int) int {
	lines := bytes.Split(firstLines(data, consumed), []byte("\n"))
	for n := len(lines); n > 0; n-- {
		if bytes.IndexByte(lines[n-1], '*') >= 0 {
			return n
		}
	}
	return max(consumed, 1)
}

func isTabProblem(problem string) bool {
	return strings.Contains(problem, "cannot start any token") || strings.Contains(problem, "a tab character")
}

// leadingTab returns the first of the lines that is indented by a tab, or 0.
func leadingTab(data []byte, first, last int) int {
	rest := data[len(firstLines(data, first-1)):]
	for n := first; n <= last; n++ {
		line, after, _ := bytes.Cut(rest, []byte("\n"))
		if bytes.HasPrefix(bytes.TrimLeft(line, " "), []byte("\t")) {
			return n
		}
		rest = after
	}
	return 0
}
