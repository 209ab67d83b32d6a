package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	samples "github.com/daisy-mcast/daisy-mcast/pkg/imageset/sample"
	"github.com/daisy-mcast/daisy-mcast/pkg/store"
)

// files measures reading a set into a store, and proving one, against sha256sum over
// the same files by as many processes as there are cores. All is on a tmpfs.
type files struct {
	bed   *bed
	tools tools
	blobs string // directory of the files, one a blob
}

func openFiles(_ context.Context, t tools, o options) (imageStage, error) {
	size := int64(2e9)
	if o.quick {
		size /= 8
	}
	f := &files{bed: &bed{}, tools: t}
	err := f.bed.makeDir(5 * size)
	if err == nil {
		err = blankFile(f.bed.path("warm"), 3*size)
	}
	if err == nil {
		err = os.Remove(f.bed.path("warm"))
	}
	if err == nil {
		err = f.write(size)
	}
	if err != nil {
		return nil, errors.Join(err, f.bed.remove())
	}
	f.blobs = f.bed.path("store/docker/registry/v2/blobs/sha256")
	return f, nil
}

// write makes the bundle, as Daisy's are and plain: a stream of gzip is unpacked by
// one core, whatever comes after.
func (f *files) write(size int64) error {
	const count, shared = 40, 4
	file, err := os.Create(f.bed.path("bundle.tgz"))
	if err != nil {
		return err
	}
	s := samples.Options{Count: count, SharedLayers: shared, LayerSize: size / (count + shared), Release: store.Release{Tag: "6.0.0"}}
	if err := errors.Join(samples.Write(file, s), file.Close()); err != nil {
		return err
	}
	return run(context.Background(), "", "sh", "-c", "gzip -dc "+f.bed.path("bundle.tgz")+" >"+f.bed.path("bundle.tar"))
}

func (f *files) close() error { return f.bed.remove() }

func (f *files) round(ctx context.Context) ([]measure, error) {
	packed, err := f.take(ctx, "bundle.tgz")
	if err != nil {
		return nil, err
	}
	plain, err := f.take(ctx, "bundle.tar")
	if err != nil {
		return nil, err
	}
	verified, err := f.run(ctx, f.tools.program, "registry", "verify", "--store", f.bed.path("store"))
	if err != nil {
		return nil, err
	}
	unpacking, err := f.run(ctx, "sh", "-c", "gzip -dc "+f.bed.path("bundle.tgz")+" | sha256sum >/dev/null")
	if err != nil {
		return nil, err
	}
	cores := fmt.Sprint(runtime.NumCPU())
	sums, err := f.run(ctx, "sh", "-c", "find "+f.blobs+" -type f -print0 | xargs -0 -n 1 -P "+cores+" sha256sum >/dev/null")
	if err != nil {
		return nil, err
	}
	packed.other, plain.other, verified.other = unpacking.ours, sums.ours, sums.ours
	all := []measure{plain, packed, verified, {}}
	for i := range all[:3] {
		all[i].value = ratio(all[i].other, all[i].ours)
		all[3].value = max(all[3].value, float64(all[i].sender.memory)/mib)
	}
	return all, nil
}

// take imports a bundle into a store that has nothing.
func (f *files) take(ctx context.Context, bundle string) (measure, error) {
	if err := os.RemoveAll(f.bed.path("store")); err != nil {
		return measure{}, err
	}
	return f.run(ctx, f.tools.self, importCommand, f.bed.path(bundle), f.bed.path("store"))
}

// run runs a program to its end.
func (f *files) run(ctx context.Context, name string, args ...string) (m measure, err error) {
	cmd := exec.CommandContext(ctx, name, args...)
	begun := time.Now()
	out, err := cmd.CombinedOutput()
	if err != nil {
		return m, fmt.Errorf("%s: %w: %s", filepath.Base(name), err, out)
	}
	m.ours = time.Since(begun)
	state := cmd.ProcessState
	m.sender = usage{state.UserTime() + state.SystemTime(), state.SysUsage().(*syscall.Rusage).Maxrss << 10}
	unix.Sync()
	return m, nil
}
