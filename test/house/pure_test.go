package house_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// pureFiles are the parts that decide and do nothing: the same code runs in production
// and in the simulation, where one seed is to be one history.
var pureFiles = []string{
	"../../pkg/transfer/sender*.go", "../../pkg/transfer/receiver*.go", "../../pkg/transfer/event.go",
	"../../pkg/pace/*.go", "../../pkg/sim/*.go",
}

// pureImports is what they may import of the standard library: no I/O, and of time only
// what needs no clock.
var pureImports = []string{
	"bytes", "cmp", "container/heap", "encoding/binary", "fmt", "maps", "math", "math/bits", "math/rand/v2",
	"slices", "time",
}

// clocks are what of the package time asks for the time, or waits.
var clocks = []string{"Now", "Since", "Until", "Sleep", "After", "AfterFunc", "Tick", "NewTimer", "NewTicker"}

func TestPureCore(t *testing.T) {
	n := 0
	for _, pattern := range pureFiles {
		files, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			if strings.HasSuffix(f, "_test.go") {
				continue
			}
			n++
			for _, fault := range impurities(t, f, nil) {
				t.Errorf("%s: %s", f, fault)
			}
		}
	}
	if n < 20 {
		t.Errorf("%d files were looked at: the patterns find too few", n)
	}
}

func TestImpuritiesAreFound(t *testing.T) {
	const source = `package p
import ("net"; "time"; "math/rand/v2")
var c = make(chan int)
func f() { go f(); <-c; c <- 1; select {}; time.Sleep(time.Second); _ = net.IP{}; _ = rand.Int() }`
	if got := impurities(t, "p.go", []byte(source)); len(got) != 8 {
		t.Errorf("got %q", got)
	}
}

// impurities returns what a file has that a pure one must not have. src is its text, if
// not to be read.
func impurities(t *testing.T, path string, src []byte) (faults []string) {
	t.Helper()
	set := token.NewFileSet()
	var text any
	if src != nil {
		text = src
	}
	file, err := parser.ParseFile(set, path, text, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	add := func(n ast.Node, what string) {
		faults = append(faults, strconv.Itoa(set.Position(n.Pos()).Line)+": "+what)
	}
	for _, i := range file.Imports {
		path, _ := strconv.Unquote(i.Path.Value)
		if !strings.Contains(path, ".") && !slices.Contains(pureImports, path) {
			add(i, "imports "+path)
		}
	}
	ast.Inspect(file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.GoStmt:
			add(n, "starts a goroutine")
		case *ast.SelectStmt, *ast.SendStmt, *ast.ChanType:
			add(n, "uses channels")
		case *ast.UnaryExpr:
			if n.Op == token.ARROW {
				add(n, "uses channels")
			}
		case *ast.SelectorExpr:
			x, _ := n.X.(*ast.Ident)
			switch {
			case x == nil:
			case x.Name == "time" && slices.Contains(clocks, n.Sel.Name):
				add(n, "asks a clock: time."+n.Sel.Name)
			case x.Name == "rand" && !slices.Contains([]string{"New", "NewPCG", "Rand", "PCG", "Source"}, n.Sel.Name):
				add(n, "uses randomness without a seed: rand."+n.Sel.Name)
			}
		}
		return true
	})
	return faults
}
