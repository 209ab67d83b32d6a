package cli

import (
	"bufio"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/pflag"

	"github.com/daisy-mcast/daisy-mcast/pkg/imageset"
)

// sourceFlags say where images come from, which of them, and what proves them.
type sourceFlags struct {
	images    []string
	imageList string
	platforms []string
	foreign   string
	checksum  string
}

// AddFlags adds them.
func (f *sourceFlags) AddFlags(fs *pflag.FlagSet) {
	fs.StringArrayVar(&f.images, "image", nil, "take only images like `PATTERN`: name, repository or repository:tag, with * and ?; may be repeated")
	fs.StringVar(&f.imageList, "image-list", "", "take only the images that `FILE` lists, one repository:tag a line")
	fs.StringSliceVar(&f.platforms, "platform", nil, "of manifest lists take only `OS/ARCH`, as in linux/arm64; default: all that the source has")
	fs.StringVar(&f.foreign, "foreign", "take", "`take|refuse` images with foreign layers; taken where the source has them, and named where not")
	fs.StringVar(&f.checksum, "checksum", "auto", "SHA-512 of the bundle: `auto` (its .sha512sum where there is one), required, a file of sha512sum's form, or 128 hex digits")
}

// maxImageList bounds --image-list, in bytes.
const maxImageList = 4 << 20

// options makes import's options of the flags.
func (f *sourceFlags) options(path string) (imageset.ImportOptions, error) {
	var opts imageset.ImportOptions
	var err error
	if opts.Images, err = f.patterns(); err != nil {
		return opts, err
	}
	for _, text := range f.platforms {
		p, err := imageset.ParsePlatform(text)
		if err != nil {
			return opts, fmt.Errorf("--platform: %w", err)
		}
		opts.Platforms = append(opts.Platforms, p)
	}
	switch f.foreign {
	case "take":
	case "refuse":
		opts.RefuseForeign = true
	default:
		return opts, fmt.Errorf("--foreign %q: want take or refuse", f.foreign)
	}
	switch f.checksum {
	case "auto", "":
	case "required":
		opts.DemandSum = true
	default:
		if opts.SHA512, err = checksumFor(f.checksum, path); err != nil {
			return opts, fmt.Errorf("--checksum: %w", err)
		}
	}
	return opts, nil
}

// checksumFor is the sum itself, or what a file says.
func checksumFor(value, path string) (string, error) {
	if raw, err := hex.DecodeString(value); err == nil && len(raw) == 64 {
		return value, nil
	}
	return imageset.ReadSum(value, path)
}

// patterns joins --image and what --image-list names.
func (f *sourceFlags) patterns() ([]string, error) {
	if f.imageList == "" {
		return f.images, nil
	}
	file, err := os.Open(f.imageList)
	if err != nil {
		return nil, fmt.Errorf("--image-list: %w", err)
	}
	defer file.Close()
	list, err := readImageList(file)
	if err != nil {
		return nil, fmt.Errorf("--image-list %s: %w", f.imageList, err)
	}
	return append(list, f.images...), nil
}

// readImageList reads one image a line; what follows a # is a comment. The registry
// in front of a name is dropped: where images come from is said by the source.
func readImageList(r io.Reader) ([]string, error) {
	var out []string
	sc := bufio.NewScanner(io.LimitReader(r, maxImageList))
	for n := 1; sc.Scan(); n++ {
		line, _, _ := strings.Cut(sc.Text(), "#")
		line = strings.TrimSpace(line)
		if line == "" {
			continue
		}
		name := line
		if repo, tag, ok := imageset.SplitName(line); ok {
			name = repo
			if strings.Contains(line[strings.LastIndexByte(line, '/')+1:], ":") {
				name += ":" + tag
			}
		} else if strings.ContainsAny(line, " \t@:") {
			return nil, fmt.Errorf("line %d: %q is not an image's name", n, line)
		}
		out = append(out, name)
	}
	if err := sc.Err(); err != nil {
		return nil, err
	}
	if len(out) == 0 {
		return nil, errors.New("it names no image")
	}
	return out, nil
}

// place is where a source's images are read from.
func (f *sourceFlags) place(_ context.Context, source string, _ *imageset.ImportOptions) (imageset.Place, error) {
	if _, err := os.Stat(source); err != nil {
		return imageset.Place{}, err
	}
	return imageset.Place{Path: source}, nil
}
