package cli

import (
	"context"
	"crypto/sha512"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"github.com/daisy-mcast/daisy-mcast/pkg/atomicfile"
	"github.com/daisy-mcast/daisy-mcast/pkg/imageset"
	"github.com/daisy-mcast/daisy-mcast/pkg/store"
)

// bundleCreateOptions are the flags of bundle create.
type bundleCreateOptions struct {
	sourceFlags
	progressFlag
	from    []string
	store   string
	release store.Release
	output  outputFormat
}

func newBundleCreateCommand(std *streams) *cobra.Command {
	opt := bundleCreateOptions{output: outputTable}
	cmd := &cobra.Command{
		Use:   "create OUT --from SOURCE...",
		Short: "Write the images of one or more sources as a bundle",
		Long: `Write the images of one or more sources as a bundle, as Daisy's build job made them: a
registry's storage under tmp/registry and, when a release is known, a
registry-<tag>-<date>.version file; beside it OUT.sha512sum. The extension of OUT
chooses gzip (.tgz, .gz), zstd (.zst, .tzst) or no packing (.tar). The same images make
the same bytes.

What a run that was cut off has fetched lies in OUT.work, and the next run goes on
from there.`,
		Example: `  daisy-mcast bundle create kolla.tgz --from saved.tar --from layout/
  daisy-mcast bundle create kolla.tar.zst --from registry://127.0.0.1:5000 --image 'nova-*' --release-tag 2024.1`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return runBundleCreate(cmd.Context(), std, opt, args[0])
		},
	}
	flags := cmd.Flags()
	opt.sourceFlags.AddFlags(flags)
	opt.progressFlag.AddFlags(flags)
	flags.StringArrayVar(&opt.from, "from", nil, "a `SOURCE` of images; may be repeated")
	flags.StringVar(&opt.store, "store", "", "keep the images in this `DIR` too; default OUT.work, which is removed in the end")
	flags.StringVar(&opt.release.Tag, "release-tag", "", "the release's tag in the .version file: Kolla's openstack_`RELEASE`")
	flags.StringVar(&opt.release.Branch, "release-branch", "", "the `BRANCH` in it")
	flags.StringVar(&opt.release.Date, "release-date", "", "the `DATE` in it")
	flags.StringVar(&opt.release.Commit, "release-commit", "", "git's `SHA` in it")
	flags.VarP(&opt.output, "output", "o", "the form of the result")
	return cmd
}

// bundleCreated is what bundle create prints.
type bundleCreated struct {
	Path   string `json:"path"`
	Bytes  int64  `json:"bytes"`
	SHA512 string `json:"sha512"`
	Set    string `json:"set"`
	Images int    `json:"images"`
	Blobs  int    `json:"blobs"`
}

func runBundleCreate(ctx context.Context, std *streams, opt bundleCreateOptions, out string) error {
	if len(opt.from) == 0 {
		return usage(errors.New("bundle create needs --from"), "")
	}
	if _, err := imageset.Compressor(io.Discard, out); err != nil {
		return usage(err, "")
	}
	view, err := opt.progressFlag.open(std, 2)
	if err != nil {
		return err
	}
	defer view.close()
	dir := opt.store
	if dir == "" {
		dir = out + ".work"
	}
	st, err := store.Create(store.Config{Dir: dir})
	if err != nil {
		return err
	}
	defer st.Close()
	set, err := opt.gather(ctx, view, st)
	if err != nil {
		if opt.store == "" && ctx.Err() == nil && !errors.Is(err, imageset.ErrOrigin) {
			err = errors.Join(err, os.RemoveAll(dir)) // nothing to go on from
		}
		return err
	}
	created, err := writeBundle(ctx, st, set, out, view.begin("write"))
	if err != nil {
		return err
	}
	view.close()
	if opt.store == "" {
		if err := os.RemoveAll(dir); err != nil {
			fmt.Fprintf(std.Err, "daisy-mcast: %v\n", err)
		}
	}
	if opt.output != outputTable {
		return writeAsJSON(std.Out, opt.output, created)
	}
	_, err = fmt.Fprintf(std.Out, "%s: %d images, %d blobs, %s, sha512 %s\n", created.Path, created.Images, created.Blobs,
		sizeText(created.Bytes), created.SHA512)
	return err
}

// gather reads the sources into st.
func (o *bundleCreateOptions) gather(ctx context.Context, view *stepView, st *store.Store) (*store.Set, error) {
	var places []imageset.Place
	opts, err := o.options("")
	if err != nil {
		return nil, usage(err, "")
	}
	if opts.SHA512 != "" {
		return nil, usage(errors.New("--checksum takes auto or required here"), "")
	}
	for _, from := range o.from {
		place, err := o.place(ctx, from, st, &opts)
		if err != nil {
			return nil, usage(err, imageset.Advice(err))
		}
		places = append(places, place)
	}
	opts.Note, opts.Progress = view.note, view.begin("read")
	opts.Release = o.release
	set, err := imageset.ImportAll(ctx, places, st, opts)
	if err != nil {
		return nil, badSource(err)
	}
	return set, nil
}

// writeBundle writes OUT and OUT.sha512sum, each in one step; into a pipe, OUT alone.
func writeBundle(ctx context.Context, st *store.Store, set *store.Set, out string, wrote func(done, total int64)) (*bundleCreated, error) {
	if pipe, err := atomicfile.InPlace(out); err != nil {
		return nil, err
	} else if pipe != nil {
		c, err := packBundle(ctx, pipe, st, set, out, wrote)
		return c, errors.Join(err, pipe.Close())
	}
	place := atomicfile.Behind(out)
	if err := roomFor(place, set.TotalSize()); err != nil {
		return nil, err
	}
	f, err := createPart(place)
	if err != nil {
		return nil, err
	}
	defer os.Remove(f.Name())
	defer f.Close()
	c, err := packBundle(ctx, f, st, set, out, wrote)
	if err != nil {
		return nil, err
	}
	sumFile := out + ".sha512sum"
	if err := os.Remove(sumFile); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("writing %s: %w", out, err)
	}
	if err := errors.Join(f.Chmod(0o644), f.Sync(), os.Rename(f.Name(), place)); err != nil {
		return nil, fmt.Errorf("writing %s: %w", out, err)
	}
	line := c.SHA512 + "  " + filepath.Base(out) + "\n"
	if err := os.WriteFile(sumFile, []byte(line), 0o644); err != nil {
		return nil, fmt.Errorf("writing %s: %w", sumFile, err)
	}
	return c, nil
}

// roomFor finds out beforehand whether a bundle has room at path. How small one gets
// that is packed, nobody knows before.
func roomFor(path string, bytes int64) error {
	if !strings.HasSuffix(path, ".tar") {
		return nil
	}
	room, err := store.RoomIn(filepath.Dir(path))
	if err == nil && room.Bytes < bytes {
		err = fmt.Errorf("%w: %s needs %d bytes, %d are left there", imageset.ErrNoSpace, path, bytes, room.Bytes)
		return usage(err, imageset.Advice(err))
	}
	return err
}

// createPart creates the file that becomes the one at path, and removes those that runs
// left which were killed: who writes one holds a lock on it.
func createPart(path string) (*os.File, error) {
	dir, prefix := filepath.Dir(path), "."+filepath.Base(path)+"-"
	list, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	for _, e := range list {
		number, isOurs := strings.CutPrefix(e.Name(), prefix)
		if isOurs && e.Type().IsRegular() && strings.Trim(number, "0123456789") == "" {
			removeUnlocked(filepath.Join(dir, e.Name()))
		}
	}
	f, err := os.CreateTemp(dir, prefix+"*")
	if err != nil {
		return nil, err
	}
	// On a filesystem without locks it is as if nobody had one.
	_ = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	return f, nil
}

// removeUnlocked removes a file that nobody writes. One that stays is only a nuisance.
func removeUnlocked(path string) {
	f, err := os.OpenFile(path, os.O_RDWR|unix.O_NOFOLLOW, 0)
	if err != nil {
		return
	}
	defer f.Close()
	if unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB) == nil {
		_ = os.Remove(path)
	}
}

// packBundle writes the bundle that is called out to w.
func packBundle(ctx context.Context, w io.Writer, st *store.Store, set *store.Set, out string, wrote func(done, total int64)) (*bundleCreated, error) {
	sum := newSummed(w)
	zw, err := imageset.Compressor(sum, out)
	if err == nil {
		err = errors.Join(imageset.WriteBundle(ctx, zw, set, st, wrote), zw.Close())
	}
	if err := errors.Join(err, sum.Close()); err != nil {
		return nil, err
	}
	return &bundleCreated{Path: out, Bytes: sum.n, SHA512: hex.EncodeToString(sum.h.Sum(nil)),
		Set: set.ID, Images: len(set.Images), Blobs: len(set.Blobs)}, nil
}

// summed counts what is written, and hashes it in a goroutine of its own, which
// ends with Close; h and n are good after that.
type summed struct {
	w    io.Writer
	h    hash.Hash
	n    int64
	pipe *io.PipeWriter
	done chan error // the hashing's end
}

func newSummed(w io.Writer) *summed {
	r, pipe := io.Pipe()
	s := &summed{w: w, h: sha512.New(), pipe: pipe, done: make(chan error, 1)}
	go func() {
		_, err := io.CopyBuffer(struct{ io.Writer }{s.h}, struct{ io.Reader }{r}, make([]byte, 1<<20))
		s.done <- err
	}()
	return s
}

func (s *summed) Write(p []byte) (int, error) {
	n, err := s.w.Write(p)
	s.n += int64(n)
	if _, herr := s.pipe.Write(p[:n]); err == nil {
		err = herr
	}
	return n, err
}

func (s *summed) Close() error {
	s.pipe.Close()
	return <-s.done
}
