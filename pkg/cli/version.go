package cli

import (
	"fmt"
	"runtime"
	"runtime/debug"
)

// version says what this program was built from: the module's version or the
// commit, as the Go toolchain recorded them.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	v := info.Main.Version
	settings := make(map[string]string)
	for _, s := range info.Settings {
		settings[s.Key] = s.Value
	}
	if commit := settings["vcs.revision"]; commit != "" && (v == "" || v == "(devel)") {
		v = commit[:min(len(commit), 12)]
		if settings["vcs.modified"] == "true" {
			v += "+changes"
		}
	}
	return fmt.Sprintf("%s, %s, linux/%s", v, runtime.Version(), runtime.GOARCH)
}
