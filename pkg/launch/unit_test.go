package launch

import (
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the golden files")

// golden are the units that are written: of a service, and for Podman.
func golden() map[string]unit {
	return map[string]unit{
		"service.unit": {
			name: "daisy-mcast-registry", version: "0123456789ab", fingerprint: "cafe", hardened: true,
			execStart: []string{"/usr/local/bin/daisy-mcast", "registry", "serve", "--store", "/var/lib/a b/100%/$HOME", "--identity", `x"y\z'`},
			requires:  []string{"/var/lib/a b/100%", "/usr/local/bin/daisy-mcast"},
		},
		"filling.unit": {
			name: "daisy-mcast-registry", version: "0123456789ab", fingerprint: "0123", hardened: true,
			execStart: []string{"/usr/local/bin/daisy-mcast", "registry", "serve", "--store", "/var/lib/a b", "--fill"},
			requires:  []string{"/var/lib/a b"}, writes: "/var/lib/a b",
		},
		"podman.unit": {
			name: "daisy-mcast-registry", version: "0123456789ab", container: "daisy-mcast-registry",
			execStart: []string{"/usr/bin/podman", "start", "--attach", "daisy-mcast-registry"},
			execStop:  []string{"/usr/bin/podman", "stop", "--time", "10", "daisy-mcast-registry"},
			requires:  []string{"/var/lib/daisy-mcast/store"},
		},
	}
}

func TestUnitText(t *testing.T) {
	for name, u := range golden() {
		path := filepath.Join("testdata", name)
		if *update {
			if err := os.WriteFile(path, []byte(u.text()), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if got := u.text(); got != string(want) {
			t.Errorf("%s: got\n%s\nwant\n%s", name, got, want)
		}
		back, ours := parseUnit(u.text())
		if !ours || back.name != u.name || back.version != u.version || back.fingerprint != u.fingerprint || back.container != u.container {
			t.Errorf("%s: read back %+v, %v", name, back, ours)
		}
	}
}

// TestUnitVerifies has systemd itself read the units.
func TestUnitVerifies(t *testing.T) {
	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("there is no systemd-analyze: install systemd")
		}
		t.Skip("there is no systemd-analyze")
	}
	for name, u := range golden() {
		path := filepath.Join(t.TempDir(), "daisy-mcast-registry.service")
		u.execStart[0], u.execStop = "/bin/true", nil // has to exist
		if err := os.WriteFile(path, []byte(u.text()), 0o644); err != nil {
			t.Fatal(err)
		}
		out, err := exec.Command(analyze, "verify", "--man=no", path).CombinedOutput()
		if err != nil || strings.Contains(string(out), filepath.Base(path)+":") {
			t.Errorf("%s: %v\n%s", name, err, out)
		}
	}
}

func TestForeignUnit(t *testing.T) {
	b := newBench(t)
	b.withSystemd()
	path := b.spec.withDefaults().unitPath()
	const theirs = "[Service]\nExecStart=/bin/true\n"
	if err := os.WriteFile(path, []byte(theirs), 0o644); err != nil {
		t.Fatal(err)
	}
	b.startFails()
	_ = Stop(t.Context(), b.spec, true)
	if got, err := os.ReadFile(path); err != nil || string(got) != theirs {
		t.Errorf("their unit is now %q, %v", got, err)
	}
	os.Remove(path)
}

// FuzzQuoteUnit: systemd reads back the very words, and they stay in their line.
func FuzzQuoteUnit(f *testing.F) {
	for _, s := range []string{"", "a", "a b", `\`, `"`, "'", "100%", "$HOME", "${x}", ";", "#", "é", `\x20`} {
		f.Add(s, "next")
	}
	f.Fuzz(func(t *testing.T, a, b string) {
		if strings.ContainsFunc(a+b, isControl) {
			return
		}
		text := quoteExec([]string{a, b})
		if got := unquoteExec(text); !slices.Equal(got, []string{a, b}) {
			t.Errorf("%q, %q became %s, read as %q", a, b, text, got)
		}
	})
}

// unquoteExec reads a command line as systemd.service(5) has it, for lines
// without line ends.
func unquoteExec(text string) []string {
	var words []string
	var word strings.Builder
	quoted, inWord := false, false
	for i := 0; i < len(text); i++ {
		c := text[i]
		next := byte(0)
		if i+1 < len(text) {
			next = text[i+1]
		}
		switch {
		case c == '"':
			quoted, inWord = !quoted, true
		case c == ' ' && !quoted:
			if inWord {
				words = append(words, word.String())
			}
			word.Reset()
			inWord = false
		case (c == '\\' || c == '%' || c == '$') && (next == c || c == '\\'):
			word.WriteByte(next)
			inWord = true
			i++
		default:
			word.WriteByte(c)
			inWord = true
		}
	}
	if inWord {
		words = append(words, word.String())
	}
	return words
}

func FuzzParseUnit(f *testing.F) {
	for _, u := range golden() {
		f.Add(u.text())
	}
	f.Add("X-DaisyMcast-Name")
	f.Fuzz(func(t *testing.T, text string) {
		u, ours := parseUnit(text)
		if ours != strings.Contains(text, unitMark+"Name") && ours {
			t.Errorf("%q taken for ours", text)
		}
		if strings.ContainsAny(u.name+u.version+u.fingerprint+u.container, "\n") {
			t.Errorf("%q gives %+v", text, u)
		}
	})
}
