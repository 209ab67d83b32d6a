package house_test

import (
	"slices"
	"strings"
	"testing"
)

// TestViolationsAreFound gives the checker one offence after the other: a rule
// that finds nothing guards nothing.
func TestViolationsAreFound(t *testing.T) {
	ours := func(paths ...string) []string {
		for i := range paths {
			paths[i] = module + "/" + paths[i]
		}
		return paths
	}
	for _, tt := range []struct {
		name string
		pkg  goPackage
		want string // part of the only violation; "" for none
	}{
		{"within a column, in the table", goPackage{ImportPath: "pkg/registry", Imports: ours("pkg/store")}, ""},
		{"within a column, not in the table", goPackage{ImportPath: "pkg/store", Imports: ours("pkg/registry")}, "pkg/store (images) must not import pkg/registry"},
		{"another column", goPackage{ImportPath: "pkg/jasmine", Imports: ours("pkg/store")}, "pkg/jasmine (transport) must not import pkg/store (images)"},
		{"another column, in a test", goPackage{ImportPath: "pkg/jasmine", TestImports: ours("pkg/store")}, "a test of pkg/jasmine"},
		{"its column, in a test", goPackage{ImportPath: "pkg/store", XTestImports: ours("pkg/store", "pkg/registry")}, ""},
		{"the top from below", goPackage{ImportPath: "pkg/remote", Imports: ours("pkg/progress")}, "must not import pkg/progress (top)"},
		{"a whole column", goPackage{ImportPath: "pkg/agent", Imports: ours("pkg/jasmine", "pkg/store")}, ""},
		{"the base from a column", goPackage{ImportPath: "pkg/kolla", Imports: ours("pkg/atomicfile")}, ""},
		{"a column from the base", goPackage{ImportPath: "pkg/atomicfile", Imports: ours("pkg/store")}, "pkg/atomicfile (base) must not import pkg/store (images)"},
		{"a column that is not granted", goPackage{ImportPath: "pkg/agent", Imports: ours("pkg/remote")}, "pkg/agent (top) must not import pkg/remote (hosts)"},
		{"everything", goPackage{ImportPath: "pkg/cli", Imports: ours("pkg/agent", "pkg/kolla")}, ""},
		{"everything is not the lab", goPackage{ImportPath: "pkg/cli", Imports: ours("test/lab")}, "must not import test/lab"},
		{"an unknown package", goPackage{ImportPath: "pkg/util"}, "pkg/util is not in the table"},
		{"YAML", goPackage{ImportPath: "pkg/kolla", Imports: []string{"gopkg.in/yaml.v3"}}, "must not import gopkg.in/yaml.v3: it is no longer maintained"},
		{"YAML, in a test", goPackage{ImportPath: "pkg/kolla", TestImports: []string{"gopkg.in/yaml.v3"}}, "must not import gopkg.in/yaml.v3"},
		{"Docker's client", goPackage{ImportPath: "pkg/launch", Imports: []string{"github.com/docker/docker/client"}}, "must not import github.com/docker/docker/client"},
		{"the oracle in the product", goPackage{ImportPath: "pkg/registry", Imports: []string{"github.com/google/go-containerregistry/pkg/v1"}}, "must not import github.com/google"},
		{"the oracle in a test", goPackage{ImportPath: "pkg/registry", TestImports: []string{"github.com/google/go-containerregistry/pkg/v1"}}, ""},
		{"flags", goPackage{ImportPath: "pkg/deploy", Imports: []string{"github.com/spf13/cobra"}}, "must not import github.com/spf13/cobra"},
		{"flags in their place", goPackage{ImportPath: "pkg/cli", Imports: []string{"github.com/spf13/pflag", "fmt", "net/http"}}, ""},
		{"an unknown dependency", goPackage{ImportPath: "pkg/cli", Imports: []string{"example.org/x"}}, "not among the dependencies"},
		{"only the front of a name", goPackage{ImportPath: "pkg/pyyaml", Imports: []string{"gopkg.in/yaml.v33"}}, "not among the dependencies"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.pkg.ImportPath = module + "/" + tt.pkg.ImportPath
			got := slices.DeleteFunc(violations([]goPackage{tt.pkg}, table, dependencies), func(v string) bool {
				return strings.HasSuffix(v, "does not exist")
			})
			if tt.want == "" && len(got) > 0 || tt.want != "" && (len(got) != 1 || !strings.Contains(got[0], tt.want)) {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestTheTableHasNoPackageThatDoesNotExist(t *testing.T) {
	got := violations([]goPackage{{ImportPath: module + "/pkg/a"}},
		[]row{{path: "pkg/a"}, {path: "pkg/b"}}, nil)
	if len(got) != 1 || !strings.Contains(got[0], "pkg/b is in the table of test/house and does not exist") {
		t.Errorf("got %q", got)
	}
}
