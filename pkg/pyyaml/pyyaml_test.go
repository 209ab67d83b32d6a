package pyyaml

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"
)

// refused parses text and returns the one line that says why it cannot be.
func refused(t *testing.T, text string) string {
	t.Helper()
	_, err := Parse("t.yml", []byte(text))
	if err == nil {
		t.Fatalf("%.60q was accepted", text)
	}
	var e *Error
	if !errors.As(err, &e) {
		t.Fatalf("%T is not an *Error", err)
	}
	if strings.Contains(err.Error(), "\n") {
		t.Errorf("more than a line: %q", err)
	}
	return err.Error()
}

func TestFault60MalformedInputNamesItsLine(t *testing.T) {
	for name, tt := range map[string]struct{ text, want string }{
		"empty":                {"", "t.yml: empty"},
		"comments only":        {"# nothing\n\n", "t.yml: empty"},
		"tab":                  {"hosts:\n\t- name: a\n", "t.yml:2: a tab in the indentation"},
		"tab on line 1":        {"\thosts: 1\n", "t.yml:1: a tab in the indentation"},
		"tab deeper":           {"a: 1\nhosts:\n  - name: a\n  \troles: []\n", "t.yml:4: "},
		"unclosed list":        {"a: 1\nb: [x, y\nc: 2\n", "t.yml:2: a [ or { that is not closed"},
		"unclosed quote":       {"a: 1\nb: 'x\nc: 2\n", "t.yml:2: malformed"},
		"indentation":          {"a:\n  b: 1\n c: 2\n", "t.yml:3: "},
		"indentation far down": {strings.Repeat("# x\n", 50) + "a:\n  - b: 1\n    c: 2\n   d: 3\ne: 4\n", "t.yml:54: "},
		"colon":                {"a: 1\nb: c: d\n", "t.yml:2: a ': ' where no key can be"},
		"stray text":           {"a: 1\nstray\nb: 2\n", "t.yml:"},
		"second document":      {"a: 1\n---\nb: 2\n", "t.yml:2: a second document"},
		"control character":    {"a: 1\nb: \x01\n", "t.yml:2: a control character"},
		"not UTF-8":            {"a: 1\n\nb: \xff\n", "t.yml:3: not UTF-8"},
		"unknown alias":        {"a: 1\npassword: *hunter2\nb: 1\n", "t.yml:2: an alias"},
		"duplicate key":        {"a: 1\nb: 2\na: 3\n", `t.yml:3: key "a" was given on line 1 already`},
		"duplicate deep":       {"h:\n- x: 1\n  'x': 2\n", `t.yml:3: key "x" was given on line 2 already`},
		"duplicate number":     {"1: a\n0x1: b\n", `t.yml:2: key "0x1" was given on line 1 already`},
		"list as key":          {"a: 1\n? [x]\n: 2\n", "t.yml:2: a list or mapping as a key"},
		"merge of a string":    {"a: 1\n<<: x\n", "t.yml:2: <<: want a mapping or a list of mappings, got a string"},
		"alias of itself":      {"a: 1\nb: &x [1, *x]\n", "t.yml:2: an alias inside of what it stands for"},
		"too deep":             {strings.Repeat("[", 100) + strings.Repeat("]", 100), "t.yml:1: nested deeper"},
		"tag":                  {"a: 1\nb: !x 2\n", "t.yml:2: a tag"},
	} {
		t.Run(name, func(t *testing.T) {
			got := refused(t, tt.text)
			if !strings.HasPrefix(got, tt.want) {
				t.Errorf("got  %s\nwant %s...", got, tt.want)
			}
			if strings.Contains(got, "hunter2") {
				t.Errorf("the message shows a value: %s", got)
			}
		})
	}
}

// cpuTime is what this process has used of processors: what others do here changes
// nothing of it.
func cpuTime(t *testing.T) time.Duration {
	t.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func TestFault60BombsAreCheap(t *testing.T) {
	laughs := "a0: &a0 [x,x,x,x,x,x,x,x,x]\n"
	for i := 1; i < 10; i++ {
		laughs += fmt.Sprintf("a%d: &a%d [%s]\n", i, i, strings.TrimSuffix(strings.Repeat(fmt.Sprintf("*a%d,", i-1), 9), ","))
	}
	deepAliases := "a0: &a0 [x]\n"
	for i := 1; i < 100; i++ {
		deepAliases += fmt.Sprintf("a%d: &a%d [*a%d]\n", i, i, i-1)
	}
	const full = maxBytes
	for name, text := range map[string]string{
		"billion laughs": laughs,
		"deep aliases":   deepAliases,
		"10 MB":          strings.Repeat("a: 1\n", 2<<20),
		"brackets":       strings.Repeat("[", full),
		"braces":         strings.Repeat("{", full),
		"dashes":         strings.Repeat("- ", full/2),
		"dash lines":     strings.Repeat(strings.Repeat("- ", 9000)+"\n", 50),
		"commas":         "[" + strings.Repeat("a,", full/2-2) + "a]",
		"line ends":      strings.Repeat("\n", full),
		"entries":        strings.Repeat("- a\n", full/4),
		"questions":      strings.Repeat("? ", full/2),
		"one string":     "'" + strings.Repeat("x", full-1),
		"stars":          strings.Repeat("*a ", full/3),
	} {
		t.Run(name, func(t *testing.T) {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			start := cpuTime(t)
			refused(t, text)
			used := cpuTime(t) - start
			runtime.ReadMemStats(&after)
			if used > time.Second {
				t.Errorf("took %v of a processor", used)
			}
			if got := after.TotalAlloc - before.TotalAlloc; got > 64<<20 {
				t.Errorf("allocated %d MiB in all", got>>20)
			}
		})
	}
}

func TestTheLargestAcceptedFileIsCheap(t *testing.T) {
	text := strings.Repeat("- a: b\n", maxMarks/3-1)
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	doc, err := Parse("t.yml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	if live := int64(after.HeapAlloc) - int64(before.HeapAlloc); live > 32<<20 {
		t.Errorf("holds %d MiB", live>>20)
	}
	runtime.KeepAlive(doc)
}

func TestLoadStopsReadingAtTheBound(t *testing.T) {
	_, err := Load("/dev/zero")
	if err == nil || !strings.Contains(err.Error(), "larger than 1 MiB") {
		t.Errorf("got %v", err)
	}
	path := filepath.Join(t.TempDir(), "absent.yml")
	if _, err := Load(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v, want fs.ErrNotExist", err)
	}
}

const sample = `base: &base {x: 1, y: two}
more: &more {y: other, z: true}
merged:
  <<: [*base, *more]
  x: 5
list: [a, 7, *base]
secret: 123456
null_one:
`

func TestAccessors(t *testing.T) {
	doc, err := Parse("t.yml", []byte(sample))
	if err != nil {
		t.Fatal(err)
	}
	root := doc.Root().Fields()
	merged := root.Get("merged").Fields()
	if got := fmt.Sprint(merged.Keys()); got != "[x y z]" {
		t.Errorf("keys are %s", got)
	}
	if x, ok := merged.Get("x").Int(); !ok || x != 5 {
		t.Errorf("x = %d, %v; want 5: a key of its own wins over <<", x, ok)
	}
	if y, ok := merged.Get("y").Text(); !ok || y != "two" {
		t.Errorf("y = %q, %v; want two: the earlier merge wins", y, ok)
	}
	if z, ok := merged.Get("z").Bool(); !ok || !z {
		t.Errorf("z = %v, %v", z, ok)
	}
	items := root.Get("list").Items()
	if len(items) != 3 || items[2].Line() != 6 || items[2].Kind() != Mapping || items[2].Field() != "list[2]" {
		t.Errorf("list: %+v", items)
	}
	if n := root.Get("absent"); n != nil || n.Line() != 0 || n.Items() != nil || !n.IsNull() {
		t.Errorf("absent: %+v", n)
	}
	if root.Optional("null_one") != nil {
		t.Error("an optional null is not absent")
	}
	if err := doc.Err(); err != nil {
		t.Errorf("nothing was wrong, got %v", err)
	}
}

func TestProblemsAreGatheredInTheOrderOfLines(t *testing.T) {
	doc, err := Parse("t.yml", []byte(sample))
	if err != nil {
		t.Fatal(err)
	}
	root := doc.Root().Fields()
	root.Get("secret").Secret()
	root.Get("list").Fields().Get("whatever").Text()
	root.Get("list").Items()[1].Text()
	root.Get("null_one").Items()
	root.Get("merged").Fields().Need("gone", "an address")
	root.Get("base").Fields().Get("x").Bool()
	root.Get("more").Refuse("is %s", "odd")
	want := `t.yml:1: base.x: want a boolean, got an integer
t.yml:2: more: is odd
t.yml:4: merged.gone: missing; want an address
t.yml:6: list: want a mapping, got a list
t.yml:6: list[1]: want a string, got an integer (put it in quotes)
t.yml:7: secret: want a string, got an integer (put it in quotes)
t.yml:8: null_one: want a list, got null`
	if got := fmt.Sprint(doc.Err()); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestManyProblemsAreCut(t *testing.T) {
	doc, err := Parse("t.yml", []byte(strings.Repeat("- 1\n", 100)))
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range doc.Root().Items() {
		n.Text()
	}
	lines := strings.Split(doc.Err().Error(), "\n")
	if got, want := lines[len(lines)-1], "t.yml: and 80 more"; got != want || len(lines) != maxProblems+1 {
		t.Errorf("%d lines, the last %q; want %q", len(lines), got, want)
	}
}

func TestUnknownKeysAreNamed(t *testing.T) {
	doc, err := Parse("t.yml", []byte("a: 1\nh:\n  b: 2\n  c: 3\n"))
	if err != nil {
		t.Fatal(err)
	}
	root := doc.Root().Fields()
	h := root.Get("h").Fields()
	h.Get("b")
	h.Done()
	root.Done()
	want := "[t.yml:4: unknown key h.c, ignored t.yml:1: unknown key a, ignored]"
	if got := fmt.Sprint(doc.Warnings()); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestFault77SecretIsNeverShown(t *testing.T) {
	s := NewSecret("hunter2")
	held := struct {
		S Secret
		P *Secret
	}{s, &s}
	var out strings.Builder
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d", "%T"} {
		fmt.Fprintf(&out, verb+verb+verb, s, &s, held)
	}
	slog.New(slog.NewTextHandler(&out, nil)).Info("x", "s", s, "held", held)
	slog.New(slog.NewJSONHandler(&out, nil)).Info("x", "s", s, "held", held)
	if err := Encode(&out, held); err != nil {
		t.Fatal(err)
	}
	for _, hidden := range []string{"hunter2", fmt.Sprintf("%x", "hunter2")} {
		if strings.Contains(out.String(), hidden) {
			t.Errorf("shown as %s: %s", hidden, out.String())
		}
	}
	if s.Reveal() != "hunter2" || s.IsZero() || !(Secret{}).IsZero() {
		t.Error("Reveal or IsZero is wrong")
	}
}

func FuzzParse(f *testing.F) {
	for _, tt := range scalarTable {
		f.Add([]byte("a: " + tt.text + "\n"))
	}
	f.Add([]byte(sample))
	f.Fuzz(func(t *testing.T, data []byte) {
		doc, err := Parse("t.yml", data)
		if err != nil {
			if strings.Contains(err.Error(), "\n") {
				t.Errorf("more than a line: %q", err)
			}
			return
		}
		visit(doc.Root())
	})
}

// visit asks every node for everything.
func visit(n *Node) {
	switch n.Kind() {
	case Mapping:
		for _, e := range n.Fields().list {
			visit(n.Fields().Get(e.key))
		}
	case Sequence:
		for _, item := range n.Items() {
			visit(item)
		}
	default:
		n.Text()
		n.Int()
	}
}
