package cli

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// TestDocumentsNameWhatIsThere: every command, flag, target of make and file that the
// documents, the examples and the help texts name exists.
func TestDocumentsNameWhatIsThere(t *testing.T) {
	const top = "../.."
	b := newBookkeeper(t, top)
	seen := 0
	for _, pattern := range []string{"*.md", "docs/*.md", "docs/adr/*.md", "examples/*.md", "examples/*/*.md", "examples/*/*.sh", "test/*.md"} {
		files, err := filepath.Glob(filepath.Join(top, pattern))
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			seen++
			for _, wrong := range b.read(string(text), filepath.Ext(file) == ".sh") {
				t.Errorf("%s: %s", strings.TrimPrefix(file, top+"/"), wrong)
			}
		}
	}
	if seen < 8 {
		t.Errorf("%d documents were read", seen)
	}
	for _, c := range b.all {
		for _, wrong := range b.read(c.Long+"\n"+c.Example, true) {
			t.Errorf("help of %s: %s", c.CommandPath(), wrong)
		}
	}
}

// TestDocumentsThatAreWrong: each line has one mistake, which is named.
func TestDocumentsThatAreWrong(t *testing.T) {
	b := newBookkeeper(t, "../..")
	for text, want := range map[string]string{
		"    bin/daisy-mcast distribut --dha d.yml x.tgz\n":           "distribut",
		"    daisy-mcast distribute --hosts h \\\n    --nonesuch x\n": "--nonesuch",
		"```sh\nsudo daisy-mcast registry gc --keeps 2\n```\n":        "--keeps",
		"say `send --raport FILE`.":                                   "--raport",
		"`--nonesuch 3` chooses":                                      "--nonesuch",
		"by `make teest`":                                             "teest",
		"see [that](docs/NOTHING.md)":                                 "docs/NOTHING.md",
		"in `pkg/nothing`":                                            "pkg/nothing",
	} {
		if got := b.read(text, false); len(got) != 1 || !strings.Contains(got[0], want) {
			t.Errorf("%q: got %q, want one about %s", text, got, want)
		}
	}
	fine := "```\ncat t | daisy-mcast receive --local-ip 10.0.0.1 --token-file - | tar x --zstd\n```\n`make test`, `registry gc --keep 2`, `pkg/cli`"
	if got := b.read(fine, false); len(got) > 0 {
		t.Errorf("got %q", got)
	}
}

// A bookkeeper knows what there is.
type bookkeeper struct {
	top     string
	root    *cobra.Command
	all     []*cobra.Command
	flags   map[string]bool // of any command
	targets map[string]bool // of make
}

func newBookkeeper(t *testing.T, top string) *bookkeeper {
	t.Helper()
	b := &bookkeeper{top: top, flags: map[string]bool{}, targets: map[string]bool{}}
	b.root = newRootCommand(&streams{In: strings.NewReader(""), Out: new(bytes.Buffer), Err: new(bytes.Buffer)})
	b.root.InitDefaultHelpCmd()
	b.root.InitDefaultCompletionCmd()
	var walk func(*cobra.Command)
	walk = func(c *cobra.Command) {
		c.InitDefaultHelpFlag()
		c.InitDefaultVersionFlag()
		b.all = append(b.all, c)
		note := func(f *pflag.Flag) { b.flags[f.Name] = true }
		c.Flags().VisitAll(note)
		c.InheritedFlags().VisitAll(note)
		for _, sub := range c.Commands() {
			walk(sub)
		}
	}
	walk(b.root)
	makefile, err := os.ReadFile(filepath.Join(top, "Makefile"))
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range regexp.MustCompile(`(?m)^([a-z-]+):`).FindAllStringSubmatch(string(makefile), -1) {
		b.targets[m[1]] = true
	}
	return b
}

var (
	inlineCode = regexp.MustCompile("`([^`\n]+(?:\n[^`\n]+)?)`")
	link       = regexp.MustCompile(`\]\(([^)#:]+)(?:#[^)]*)?\)`)
	place      = regexp.MustCompile(`^(?:pkg|cmd|docs|examples|test|roles|plugins|playbooks)/[\w./-]*\w$`)
)

// read returns what is wrong in a document; allCode when it is no prose.
func (b *bookkeeper) read(text string, allCode bool) (wrong []string) {
	text = strings.ReplaceAll(text, "\\\n", " ")
	fenced := false
	var prose strings.Builder
	for line := range strings.Lines(text) {
		switch {
		case strings.HasPrefix(line, "```"):
			fenced = !fenced
		case allCode || fenced || strings.HasPrefix(line, "    "):
			wrong = append(wrong, b.line(line)...)
		default:
			prose.WriteString(line)
		}
	}
	for _, m := range inlineCode.FindAllStringSubmatch(prose.String(), -1) {
		wrong = append(wrong, b.inline(strings.ReplaceAll(m[1], "\n", " "))...)
	}
	for _, m := range link.FindAllStringSubmatch(prose.String(), -1) {
		if !b.exists(m[1]) {
			wrong = append(wrong, "there is no "+m[1])
		}
	}
	return wrong
}

func (b *bookkeeper) exists(name string) bool {
	for _, dir := range []string{"", "docs", "docs/adr", "examples", "examples/daisy-to-kolla", "test"} { // links are relative
		if _, err := os.Stat(filepath.Join(b.top, dir, name)); err == nil {
			return true
		}
	}
	return false
}

// inline checks what stands between backquotes: a command, with or without the
// program's name, a flag, a target of make, a path.
func (b *bookkeeper) inline(code string) []string {
	words := strings.Fields(code)
	switch {
	case len(words) == 0:
		return nil
	case strings.HasPrefix(words[0], "--"):
		name, _, _ := strings.Cut(strings.TrimRight(words[0][2:], ",;"), "=")
		if name != "" && !b.flags[name] {
			return []string{"no command has the flag --" + name}
		}
	case words[0] == "make" && len(words) > 1:
		return b.line(code)
	case place.MatchString(code) && !strings.Contains(code, "..."):
		if !b.exists(code) {
			return []string{"there is no " + code}
		}
	case len(words) > 1 && strings.HasPrefix(words[1], "-") && slices.ContainsFunc(b.root.Commands(), func(c *cobra.Command) bool { return c.Name() == words[0] }),
		len(words) > 2 && b.isGroup(words[0]):
		return b.command(words)
	}
	return b.line(code)
}

// isGroup reports whether a command has subcommands.
func (b *bookkeeper) isGroup(name string) bool {
	return slices.ContainsFunc(b.root.Commands(), func(c *cobra.Command) bool { return c.Name() == name && c.HasSubCommands() })
}

// line checks the calls of our program and of make in a line of shell.
func (b *bookkeeper) line(line string) (wrong []string) {
	if at := strings.Index(line, " #"); at >= 0 {
		line = line[:at]
	}
	for _, part := range regexp.MustCompile(`[|;&()]+|\$\(`).Split(line, -1) {
		words := strings.Fields(part)
		for len(words) > 0 && (words[0] == "sudo" || words[0] == "exec" || words[0] == "$") {
			words = words[1:]
		}
		switch {
		case len(words) < 2:
		case words[0] == "daisy-mcast", strings.HasSuffix(words[0], "/daisy-mcast") && !strings.Contains(words[0], "="):
			wrong = append(wrong, b.command(words[1:])...)
		case words[0] == "make" && !b.targets[words[1]]:
			wrong = append(wrong, "make has no target "+words[1])
		}
	}
	return wrong
}

// command checks a call's command and its flags.
func (b *bookkeeper) command(words []string) (wrong []string) {
	c, rest, err := b.root.Find(words)
	if err != nil {
		return []string{err.Error()}
	}
	if c.HasSubCommands() && len(rest) > 0 && regexp.MustCompile(`^[a-z][a-z-]*$`).MatchString(rest[0]) {
		return []string{fmt.Sprintf("%s has no command %s", c.CommandPath(), rest[0])}
	}
	for _, w := range rest {
		w = strings.Trim(w, "[]'\",.")
		name, isLong := strings.CutPrefix(w, "--")
		name, _, _ = strings.Cut(name, "=")
		if isLong && name != "" && c.Flags().Lookup(name) == nil && c.InheritedFlags().Lookup(name) == nil {
			wrong = append(wrong, fmt.Sprintf("%s has no flag --%s", c.CommandPath(), name))
		}
	}
	return wrong
}
