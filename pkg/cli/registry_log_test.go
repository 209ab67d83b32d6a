package cli

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A log that is a file never grows far past its limit, and ends with what was
// written last; what is no file is left alone.
func TestBoundedLog(t *testing.T) {
	const limit = 16 << 10
	path := filepath.Join(t.TempDir(), "log")
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	w := bounded(f, limit)
	largest := int64(0)
	for i := range 5000 {
		if _, err := fmt.Fprintf(w, "line %d\n", i); err != nil {
			t.Fatal(err)
		}
		info, err := f.Stat()
		if err != nil {
			t.Fatal(err)
		}
		largest = max(largest, info.Size())
	}
	if largest > limit+limit/8 || largest < limit/2 {
		t.Errorf("it grew to %d bytes, the limit is %d", largest, limit)
	}
	raw, err := os.ReadFile(path)
	if err != nil || !strings.HasSuffix(string(raw), "line 4999\n") {
		t.Errorf("it does not end with the last line, %v", err)
	}
	var buf bytes.Buffer
	if got := bounded(&buf, limit); got != &buf {
		t.Errorf("got %T for a buffer", got)
	}
	if got := bounded(f, 0); got != f {
		t.Errorf("got %T without a limit", got)
	}
}
