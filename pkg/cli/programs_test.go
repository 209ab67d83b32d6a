package cli

import (
	"bytes"
	"compress/gzip"
	"io"
	"math/rand/v2"
	"os/exec"
	"testing"
)

// TestPackedProgramUnpacks: what all cores packed is one program again, by what a host
// may have for gzip.
func TestPackedProgramUnpacks(t *testing.T) {
	noise := rand.NewChaCha8([32]byte{7})
	for _, size := range []int{1, packPart - 1, packPart, packPart + 1, 3*packPart + 12345} {
		want := make([]byte, size)
		_, _ = noise.Read(want[:size/2]) // the other half packs well
		packed, err := packProgram(bytes.NewReader(want), int64(size))
		if err != nil {
			t.Fatal(err)
		}
		r, err := gzip.NewReader(bytes.NewReader(packed))
		if err != nil {
			t.Fatal(err)
		}
		if got, err := io.ReadAll(r); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%d bytes: got %d, %v", size, len(got), err)
		}
		for _, tool := range [][]string{{"gzip", "-dc"}, {"busybox", "gzip", "-dc"}} {
			if _, err := exec.LookPath(tool[0]); err != nil {
				continue
			}
			cmd := exec.Command(tool[0], tool[1:]...)
			cmd.Stdin = bytes.NewReader(packed)
			if got, err := cmd.Output(); err != nil || !bytes.Equal(got, want) {
				t.Errorf("%d bytes: %v: got %d, %v", size, tool, len(got), err)
			}
		}
	}
}
