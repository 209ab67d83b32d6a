package collection

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// offline are the sanity tests of ansible-test that install nothing. What needs
// pip, and so a network, is not among them: ansible-doc, changelog, import, pep8 (see
// TestPep8), pslint, pylint, runtime-metadata, shellcheck, validate-modules, yamllint.
var offline = strings.Fields(`action-plugin-docs compile empty-init future-import-boilerplate ignores
	line-endings metaclass-boilerplate no-assert no-basestring no-dict-iteritems no-dict-iterkeys
	no-dict-itervalues no-get-exception no-illegal-filenames no-main-display no-smart-quotes
	no-unicode-literals replace-urlopen shebang symlinks use-argspec-type-path use-compat-six`)

// installedCopy is the installed collection in a place of its own: these tools
// write beside what they look at.
func installedCopy(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	to := filepath.Join(dir, "ansible_collections/daisy/kolla_mcast")
	if err := os.CopyFS(to, os.DirFS(filepath.Join(place.collections, "ansible_collections/daisy/kolla_mcast"))); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"galaxy.yml", ".ansible-lint", ".yamllint", "tests/config.yml"} {
		text, err := os.ReadFile(filepath.Join(root, name))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.MkdirAll(filepath.Dir(filepath.Join(to, name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(to, name), text, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return to
}

func TestSanity(t *testing.T) {
	t.Parallel()
	need(t, "ansible-test")
	args := []string{"ansible-test", "sanity", "--color", "no", "--python", "default"}
	for _, name := range offline {
		args = append(args, "--test", name)
	}
	must(t, call{dir: installedCopy(t), args: args, env: []string{"HOME=" + t.TempDir(), "PATH=/usr/sbin:/usr/bin:/sbin:/bin"}})
}

func TestLint(t *testing.T) {
	t.Parallel()
	need(t, "ansible-lint", "yamllint", "git")
	dir := installedCopy(t)
	env := []string{"HOME=" + t.TempDir(), "ANSIBLE_COLLECTIONS_PATH=" + strings.TrimSuffix(dir, "/ansible_collections/daisy/kolla_mcast"), "NO_COLOR=1"}
	must(t, call{dir: dir, env: env, args: []string{"yamllint", "--strict", "galaxy.yml", "meta", "roles", "playbooks", "changelogs"}})
	if out, err := exec.Command("git", "init", "-q", dir).CombinedOutput(); err != nil { // ansible-lint asks git for the project's files
		t.Fatalf("%v: %s", err, out)
	}
	must(t, call{dir: dir, env: env, args: []string{"ansible-lint", "--offline", "-q", "roles", "playbooks", "meta", "galaxy.yml"}})
	here, err := filepath.Abs(root)
	if err != nil {
		t.Fatal(err)
	}
	must(t, call{dir: here, env: env, args: []string{"yamllint", "--strict", "ansible", "examples/daisy-to-kolla"}})
}

// TestPep8 is ansible-test's sanity test pep8, with its own list of what does not
// count, by Debian's pycodestyle: ansible-test itself would install one.
func TestPep8(t *testing.T) {
	t.Parallel()
	need(t, "ansible-test", "pycodestyle")
	find := "import ansible_test, os; print(os.path.join(os.path.dirname(ansible_test.__file__), '_util/controller/sanity/pep8/current-ignore.txt'))"
	path := must(t, call{args: []string{interpreter(t), "-c", find}}).out
	ignored, err := os.ReadFile(strings.TrimSpace(path))
	if err != nil {
		t.Fatal(err)
	}
	must(t, call{dir: root, args: []string{"pycodestyle", "--max-line-length=160", "--config=" + os.DevNull,
		"--ignore=" + strings.Join(strings.Fields(string(ignored)), ","), "plugins", "test/collection/testdata"}})
}
