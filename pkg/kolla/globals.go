package kolla

import (
	"path/filepath"
	"strings"
)

// isGlobals reports whether Kolla loads a file of this name from globals.d. Its
// older shell script takes only .yml; the newer program takes the three.
func isGlobals(name string) bool {
	switch filepath.Ext(strings.TrimLeft(name, ".")) { // as Python's splitext
	case ".yml", ".yaml", ".json":
		return true
	}
	return false
}
