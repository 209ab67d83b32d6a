package imageset

import (
	"bufio"
	"context"
	"crypto/sha512"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// DefaultDir is where Daisy keeps its bundle on the deploy server.
const DefaultDir = "/var/lib/daisy/versionfile/kolla"

// FindBundle returns the one kolla*.tgz in dir, DefaultDir when that is empty.
// Errors wrap ErrNoBundle or ErrManyBundles; the latter names them.
func FindBundle(dir string) (string, error) {
	if dir == "" {
		dir = DefaultDir
	}
	list, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("looking for a bundle: %w", err)
	}
	var found []string
	for _, e := range list {
		if ok, _ := filepath.Match("kolla*.tgz", e.Name()); ok && !e.IsDir() {
			found = append(found, e.Name())
		}
	}
	switch len(found) {
	case 0:
		return "", fmt.Errorf("%w: there is no kolla*.tgz in %s", ErrNoBundle, dir)
	case 1:
		return filepath.Join(dir, found[0]), nil
	}
	return "", fmt.Errorf("%w in %s: %s", ErrManyBundles, dir, strings.Join(found, ", "))
}

// CheckSum reads the bundle at path and compares it with the .sha512sum file
// beside it. Without such a file there is nothing to compare, which is fine.
// Import does the same while it reads; this is for those who only want to know.
func CheckSum(ctx context.Context, path string) error {
	want, err := readSum(path)
	if err != nil || want == "" {
		return err
	}
	f, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("checking the bundle: %w", err)
	}
	defer f.Close()
	if err := sumIs(f, want, ctx.Err); err != nil {
		return fmt.Errorf("checking %s: %w", path, err)
	}
	return nil
}

// readSum returns the SHA-512 that <path>.sha512sum, or the same without the
// bundle's extension, gives for path; "" when there is neither.
func readSum(path string) (string, error) {
	for _, name := range []string{path + ".sha512sum", strings.TrimSuffix(path, filepath.Ext(path)) + ".sha512sum"} {
		f, err := os.Open(name)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return "", fmt.Errorf("reading the bundle's checksum: %w", err)
		}
		defer f.Close()
		sum, err := parseSum(io.LimitReader(f, maxSumFile), filepath.Base(path))
		if err != nil {
			return "", fmt.Errorf("%s: %w", name, err)
		}
		return sum, nil
	}
	return "", nil
}

// parseSum reads what sha512sum writes, "<hex>  <name>" or "<hex> *<name>", and
// returns the sum of base. A single line counts whatever its name is: bundles
// are renamed.
func parseSum(r io.Reader, base string) (string, error) {
	var only string
	lines := 0
	for sc := bufio.NewScanner(r); sc.Scan(); {
		sum, name, _ := strings.Cut(strings.TrimSpace(sc.Text()), " ")
		if sum == "" {
			continue
		}
		sum = strings.ToLower(sum)
		if raw, err := hex.DecodeString(sum); err != nil || len(raw) != sha512.Size {
			return "", fmt.Errorf("%w: line %d is not a SHA-512 sum", ErrCheckSum, lines+1)
		}
		if filepath.Base(strings.TrimLeft(name, " *")) == base {
			return sum, nil
		}
		only = sum
		lines++
	}
	if lines != 1 {
		return "", fmt.Errorf("%w: no sum for %s", ErrCheckSum, base)
	}
	return only, nil
}

// ReadSum returns the SHA-512 that a file of sha512sum's form gives for the bundle
// at path.
func ReadSum(file, path string) (string, error) {
	f, err := os.Open(file)
	if err != nil {
		return "", err
	}
	defer f.Close()
	sum, err := parseSum(io.LimitReader(f, maxSumFile), filepath.Base(path))
	if err != nil {
		return "", fmt.Errorf("%s: %w", file, err)
	}
	return sum, nil
}

// SumBeside returns the SHA-512 that a .sha512sum file beside the bundle gives, ""
// when there is none; with demand that is ErrCheckSum.
func SumBeside(path string, demand bool) (string, error) {
	return ImportOptions{DemandSum: demand}.sumOf(path)
}
