package registry

import (
	"errors"
	"syscall"
	"testing"
)

// A registry that is out of file descriptors for a moment must not forget its
// upstream for ever.
func TestUpstreamIsReadAgainAfterATransientFault(t *testing.T) {
	dir := t.TempDir()
	check(t, WriteUpstream(dir, Upstream{URL: "https://10.20.11.2:4000"}))
	f := newUpstreamFile(dir)
	withoutDescriptors(t, func() {
		if up, err := f.client(); up != nil || !errors.Is(err, syscall.EMFILE) {
			t.Errorf("got %v, %v, want EMFILE", up, err)
		}
	})
	up, err := f.client()
	if err != nil || up == nil {
		t.Fatalf("afterwards: %v, %v", up, err)
	}
	if again, err := f.client(); again != up || err != nil {
		t.Errorf("an unchanged file was read again: %v", err)
	}
}

// withoutDescriptors runs f while no file can be opened.
func withoutDescriptors(t *testing.T, f func()) {
	t.Helper()
	var old syscall.Rlimit
	check(t, syscall.Getrlimit(syscall.RLIMIT_NOFILE, &old))
	check(t, syscall.Setrlimit(syscall.RLIMIT_NOFILE, &syscall.Rlimit{Cur: 0, Max: old.Max}))
	defer func() { check(t, syscall.Setrlimit(syscall.RLIMIT_NOFILE, &old)) }()
	f()
}
