package agent

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// unfinishedAge is from when on a program that was being copied is left over: no
// session takes so long to open.
const unfinishedAge = 10 * time.Minute

// withSweep makes a call that has the registry run this program take the older
// ones away afterwards.
func withSweep[Req, Res any](a *agent, call func(context.Context, Req) (Res, error)) func(context.Context, Req) (Res, error) {
	return func(ctx context.Context, req Req) (Res, error) {
		res, err := call(ctx, req)
		if err == nil {
			a.sweepPrograms()
		}
		return res, err
	}
}

// sweepPrograms removes the versions of this program that no process runs, and
// what sessions that broke have left of others. What cannot be removed is only
// logged: the next run tries again.
func (a *agent) sweepPrograms() {
	a.mu.Lock()
	dir := filepath.Join(a.setup.BaseDir, "bin")
	a.mu.Unlock()
	if err := sweep(dir, "/proc", time.Now().Add(-unfinishedAge)); err != nil {
		a.log.Warn("old programs were not removed", "error", err)
	}
}

// sweep works on dir; proc is /proc, but for tests. Unfinished copies go when they
// are from before the time.
func sweep(dir, proc string, before time.Time) error {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // the program lies elsewhere
	}
	if err != nil {
		return err
	}
	inUse, err := executables(proc) // this process's too
	if err != nil {
		return err
	}
	var errs []error
	for _, e := range entries {
		info, err := e.Info()
		if err == nil && isOld(info, before, inUse) {
			errs = append(errs, os.Remove(filepath.Join(dir, e.Name())))
		}
	}
	return errors.Join(errs...)
}

// isOld reports whether a file is one of ours that nobody needs any more.
func isOld(info fs.FileInfo, before time.Time, inUse []fs.FileInfo) bool {
	if !info.Mode().IsRegular() || !strings.HasPrefix(info.Name(), "daisy-mcast-") {
		return false
	}
	if strings.Contains(info.Name(), ".new-") {
		return info.ModTime().Before(before)
	}
	return !slices.ContainsFunc(inUse, func(other fs.FileInfo) bool { return os.SameFile(info, other) })
}

// executables returns what the processes in proc run. A process that may not be
// looked at is an error: it may run anything.
func executables(proc string) ([]fs.FileInfo, error) {
	dirs, err := filepath.Glob(filepath.Join(proc, "[0-9]*"))
	if err != nil {
		return nil, err
	}
	var all []fs.FileInfo
	for _, dir := range dirs {
		info, err := os.Stat(filepath.Join(dir, "exe")) // also of a file that has lost its name
		if errors.Is(err, fs.ErrNotExist) {
			continue // it has ended, or is the kernel's
		}
		if err != nil {
			return nil, err
		}
		all = append(all, info)
	}
	return all, nil
}
