package cli

import (
	"bufio"
	"cmp"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/pflag"

	"github.com/daisy-mcast/daisy-mcast/pkg/agent/message"
	"github.com/daisy-mcast/daisy-mcast/pkg/deploy"
	"github.com/daisy-mcast/daisy-mcast/pkg/imageset"
	"github.com/daisy-mcast/daisy-mcast/pkg/origin"
	"github.com/daisy-mcast/daisy-mcast/pkg/signature"
	"github.com/daisy-mcast/daisy-mcast/pkg/store"
)

// sourceFlags say where images come from, which of them, and what proves them.
type sourceFlags struct {
	images    []string
	imageList string
	platforms []string
	foreign   string
	checksum  string
	ca        string
	insecure  bool
	verifyKey string
}

// AddFlags adds them.
func (f *sourceFlags) AddFlags(flags *pflag.FlagSet) {
	flags.StringArrayVar(&f.images, "image", nil, "take only images like `PATTERN`: name, repository or repository:tag, with * and ?; may be repeated")
	flags.StringVar(&f.imageList, "image-list", "", "take only the images that `FILE` lists, one repository:tag a line")
	flags.StringSliceVar(&f.platforms, "platform", nil, "of manifest lists take only `OS/ARCH`, as in linux/arm64; default: all that the source has")
	flags.StringVar(&f.foreign, "foreign", "take", "`take|refuse` images with foreign layers; taken where the source has them, and named where not")
	flags.StringVar(&f.ca, "source-ca", "", "trust this CA, a PEM `FILE`, for registry://, in place of the system's")
	flags.BoolVar(&f.insecure, "source-insecure", false, "speak HTTP to registry:// off loopback too: nobody proves which image a tag means")
	flags.StringVar(&f.verifyKey, "verify-key", "", "refuse what is not signed by this public key, a PEM `FILE`: the bundle, by BUNDLE.sig, or else each image, by cosign's signatures in the source")
	flags.StringVar(&f.checksum, "checksum", "auto", "the bundle's SHA-512, `HOW`: auto (its .sha512sum where there is one), required, a file of sha512sum's form, or 128 hex digits")
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

// proof is what has to prove a source.
type proof struct {
	sha512 string         // of the file, whose signature is good
	key    *signature.Key // that every image must be signed by
	pem    []byte         // of key
}

// prove checks the signature over a file, which its SHA-512 then stands for, so that
// what is read later is what was signed. What has none must have signed images.
func (f *sourceFlags) prove(ctx context.Context, source string, opts imageset.ImportOptions) (proof, error) {
	if f.verifyKey == "" {
		return proof{}, nil
	}
	raw, err := os.ReadFile(f.verifyKey)
	if err != nil {
		return proof{}, fmt.Errorf("--verify-key: %w", err)
	}
	key, err := signature.ParseKey(raw)
	if err != nil {
		return proof{}, fmt.Errorf("--verify-key %s: %w", f.verifyKey, err)
	}
	if origin.IsURL(source) {
		return proof{key: &key, pem: raw}, nil
	}
	sum, err := key.VerifyFile(ctx, source)
	if errors.Is(err, fs.ErrNotExist) {
		return proof{key: &key, pem: raw}, nil
	}
	if err != nil {
		return proof{}, err
	}
	proven := proof{sha512: hex.EncodeToString(sum)}
	if opts.SHA512 == "" {
		if opts.SHA512, err = imageset.SumBeside(source, opts.DemandSum); err != nil {
			return proof{}, err
		}
	}
	if opts.SHA512 != "" && !strings.EqualFold(opts.SHA512, proven.sha512) {
		return proof{}, fmt.Errorf("%s: %w", source, imageset.ErrCheckSum)
	}
	return proven, nil
}

// errChecksum: a sum proves a file's bytes, and this source is no file.
var errChecksum = errors.New("--checksum is for files")

// place is where a source's images are read from. What st has of an engine's images
// is not saved again; st may be nil.
func (f *sourceFlags) place(ctx context.Context, source string, st *store.Store, opts *imageset.ImportOptions) (imageset.Place, error) {
	if !origin.IsURL(source) {
		if _, err := os.Stat(source); err != nil {
			return imageset.Place{}, err
		}
	}
	proven, err := f.prove(ctx, source, *opts)
	if err != nil {
		return imageset.Place{}, err
	}
	if !origin.IsURL(source) {
		return imageset.Place{Path: source, SHA512: proven.sha512, Key: proven.key}, nil
	}
	if opts.DemandSum || opts.SHA512 != "" {
		return imageset.Place{}, errChecksum
	}
	cfg, err := f.origin(ctx, source, opts.Images)
	if err != nil {
		return imageset.Place{}, err
	}
	cfg.Signatures = proven.key != nil
	if st != nil {
		cfg.Known, cfg.SpoolDir = imageset.NewMade(st).Find, st.OwnDir()
	}
	cfg.Note = func(text string) {
		if opts.Note != nil {
			opts.Note(text)
		}
	}
	return imageset.Place{Origins: origin.Open(ctx, *cfg), Key: proven.key}, nil
}

// origin says all that it takes to read a URL, on this machine or another.
func (f *sourceFlags) origin(ctx context.Context, source string, images []string) (*origin.Config, error) {
	if err := origin.Check(source); err != nil {
		return nil, err
	}
	cfg := &origin.Config{URL: source, Images: images, Insecure: f.insecure, Proxy: origin.EnvironmentProxy()}
	var err error
	if f.ca != "" {
		if cfg.CA, err = os.ReadFile(f.ca); err != nil {
			return nil, fmt.Errorf("--source-ca: %w", err)
		}
	}
	cfg.Access, err = origin.DockerAccess(ctx, source)
	return cfg, err
}

// apply says what a run reads, and proves what can be proven of it here. elsewhere
// tells that another machine reads: what lies beside the bundle is not there.
func (f *sourceFlags) apply(ctx context.Context, cfg *deploy.Config, source string, elsewhere bool) error {
	opts, err := f.options(source)
	if err != nil {
		return err
	}
	cfg.Choice = message.Choice{Images: opts.Images, Platforms: opts.Platforms, RefuseForeign: opts.RefuseForeign,
		DemandSum: opts.DemandSum}
	named := source
	if !origin.IsURL(source) {
		if source, err = findBundle(source); err != nil {
			return err
		}
	}
	proven, err := f.prove(ctx, source, opts)
	if err != nil {
		return err
	}
	cfg.Bundle, cfg.Choice.Key = source, proven.pem
	if origin.IsURL(named) {
		if opts.DemandSum || opts.SHA512 != "" {
			return errChecksum
		}
		if elsewhere && !strings.HasPrefix(source, "registry://") {
			return errors.New("this machine's engine is read only by a sender on this machine: make a bundle of it with bundle create")
		}
		if cfg.Origin, err = f.origin(ctx, source, opts.Images); err == nil {
			cfg.Origin.Signatures = proven.key != nil
		}
		return err
	}
	cfg.SHA512 = cmp.Or(opts.SHA512, proven.sha512)
	if elsewhere && cfg.SHA512 == "" {
		if cfg.SHA512, err = imageset.SumBeside(cfg.Bundle, opts.DemandSum); err != nil {
			return err
		}
		cfg.Choice.DemandSum = false // the sum goes along
	}
	return nil
}

// findBundle is the bundle's path, or the only one where Daisy keeps it.
func findBundle(named string) (string, error) {
	if named == "" {
		return imageset.FindBundle(imageset.DefaultDir)
	}
	if _, err := os.Stat(named); err != nil {
		return "", fmt.Errorf("the bundle: %w", err)
	}
	return filepath.Abs(named)
}
