package house_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// A goPackage is a package as `go list -json` prints it.
type goPackage struct {
	ImportPath   string
	Doc          string
	GoFiles      []string
	Imports      []string
	TestImports  []string
	XTestImports []string
}

func TestImports(t *testing.T) {
	for _, v := range violations(listPackages(t), table, dependencies) {
		t.Error(v)
	}
}

func TestEveryPackageHasADocComment(t *testing.T) {
	for _, p := range listPackages(t) {
		if len(p.GoFiles) > 0 && p.Doc == "" {
			t.Errorf("%s has no doc comment", p.ImportPath)
		}
	}
}

func TestTableHoldsItsOwnRules(t *testing.T) {
	for i, r := range table {
		if r.because == "" {
			t.Errorf("%s is in the table without a reason", r.path)
		}
		if slices.ContainsFunc(table[:i], func(o row) bool { return o.path == r.path }) {
			t.Errorf("%s is in the table twice", r.path)
		}
		if r.column == top || r.column == tests {
			continue
		}
		for _, path := range r.imports {
			other := find(table, path)
			if other == nil || other.column != r.column && (other.column != base || r.column == base) {
				t.Errorf("%s is of the column %s and must not be allowed to import %s", r.path, r.column, path)
			}
		}
	}
	for _, d := range dependencies {
		if d.because == "" {
			t.Errorf("%s is in the table without a reason", d.prefix)
		}
	}
}

// listPackages returns this module's packages, also those that do not compile.
func listPackages(t *testing.T) []goPackage {
	t.Helper()
	cmd := exec.Command("go", "list", "-e", "-json=ImportPath,Doc,GoFiles,Imports,TestImports,XTestImports", "./...")
	cmd.Dir = root
	cmd.Env = append(os.Environ(), "GOPROXY=off", "GOWORK=off")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("listing the packages: %v\n%s", err, stderr.String())
	}
	var all []goPackage
	for dec := json.NewDecoder(bytes.NewReader(out)); ; {
		var p goPackage
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatalf("reading what go list printed: %v", err)
		}
		all = append(all, p)
	}
	if len(all) == 0 {
		t.Fatal("go list found no package")
	}
	return all
}

// violations says in words what packages do against the two tables.
func violations(packages []goPackage, table []row, dependencies []dependency) []string {
	var all []string
	found := make(map[string]bool)
	for _, p := range packages {
		path := strings.TrimPrefix(p.ImportPath, module+"/")
		found[path] = true
		r := find(table, path)
		if r == nil {
			all = append(all, fmt.Sprintf("%s is not in the table of test/house: give it a column and a reason", path))
			continue
		}
		for _, imported := range p.Imports {
			all = append(all, check(*r, imported, table, dependencies, false)...)
		}
		for _, imported := range append(p.TestImports, p.XTestImports...) {
			all = append(all, check(*r, imported, table, dependencies, true)...)
		}
	}
	for _, r := range table {
		if !found[r.path] {
			all = append(all, fmt.Sprintf("%s is in the table of test/house and does not exist", r.path))
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// check says what is wrong with one import of r's package, or of its tests.
func check(r row, imported string, table []row, dependencies []dependency, isTest bool) []string {
	who := r.path
	if isTest {
		who = "a test of " + r.path
	}
	path, isOurs := strings.CutPrefix(imported, module+"/")
	switch {
	case isOurs:
		other := find(table, path)
		if other == nil || r.path == path || r.allows(*other) || isTest && r.allowsTest(*other) {
			return nil // an unknown package has a line of its own
		}
		return []string{fmt.Sprintf("%s (%s) must not import %s (%s): %s", who, r.column, path, other.column, r.because)}
	case !strings.Contains(strings.Split(imported, "/")[0], "."):
		return nil // the standard library
	}
	for _, d := range dependencies {
		if d.prefix != imported && !strings.HasPrefix(imported, strings.TrimSuffix(d.prefix, "/")+"/") {
			continue
		}
		if isTest && d.inTests || slices.Contains(d.users, everything) || slices.Contains(d.users, r.path) {
			return nil
		}
		return []string{fmt.Sprintf("%s must not import %s: %s", who, imported, d.because)}
	}
	return []string{fmt.Sprintf("%s imports %s, which is not among the dependencies in test/house", who, imported)}
}

// allows reports whether r's package may import other.
func (r row) allows(other row) bool {
	if slices.Contains(r.imports, other.path) || slices.Contains(r.imports, string(other.column)) {
		return true
	}
	return slices.Contains(r.imports, everything) && other.column != tests && !strings.HasPrefix(other.path, "cmd/")
}

// allowsTest reports whether a test of r's package may import other beyond what
// the package may: its own column and the base, or anything for the top.
func (r row) allowsTest(other row) bool {
	if other.column == base {
		return true
	}
	if r.column == tests {
		return false
	}
	return other.column != tests && (r.column == top || r.column == other.column)
}

func find(table []row, path string) *row {
	i := slices.IndexFunc(table, func(r row) bool { return r.path == path })
	if i < 0 {
		return nil
	}
	return &table[i]
}
