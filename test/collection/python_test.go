package collection

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// python runs one of the scripts beside this test, with the Python that Ansible runs
// on, and with the collection.
func python(t *testing.T, script, input string) {
	t.Helper()
	path, err := filepath.Abs("testdata/" + script)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(interpreter(t), path)
	cmd.Env = environment("PYTHONPATH="+place.collections, "PYTHONDONTWRITEBYTECODE=1")
	cmd.Stdin = strings.NewReader(input)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%s: %v\n%s", script, err, out)
	}
}

// interpreter is in the first line of Ansible's own program.
func interpreter(t *testing.T) string {
	t.Helper()
	path, err := exec.LookPath("ansible-playbook")
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	line, _, _ := strings.Cut(string(text), "\n")
	words := strings.Fields(strings.TrimPrefix(line, "#!"))
	if len(words) == 0 || strings.HasSuffix(words[0], "/env") {
		return "python3"
	}
	return words[0]
}

func TestModulesTakeWhatIsDocumented(t *testing.T) {
	t.Parallel()
	need(t, "ansible-doc", "ansible-playbook")
	args := []string{"ansible-doc", "-t", "module", "-j"}
	for _, name := range docs(t)["module"] {
		args = append(args, "daisy.kolla_mcast."+name)
	}
	python(t, "specs.py", must(t, call{args: args}).out)
}

func TestR1AnsiblesVariablesMakeTheHostList(t *testing.T) {
	t.Parallel()
	need(t, "ansible-playbook")
	python(t, "hosts.py", "")
}
