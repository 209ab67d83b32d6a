package store

import (
	"fmt"
	"os"
	"path/filepath"
)

// removeTags removes the tags whose image no kept set has, and the entries of
// the others' index that no kept set has.
func (c *collector) removeTags() error {
	repos, err := c.s.Repositories()
	if err != nil {
		return err
	}
	for _, repo := range repos {
		tags, err := dirNames(filepath.Join(c.s.manifestsDir(repo), "tags"))
		if err != nil {
			return err
		}
		for _, tag := range tags {
			if err := c.removeTag(repo, tag); err != nil {
				return err
			}
		}
	}
	c.s.step("tags removed")
	return c.sync()
}

func (c *collector) removeTag(repo, tag string) error {
	target, err := c.s.readLink(c.s.tagLink(repo, tag))
	if err != nil && !namesNothing(err) {
		return fmt.Errorf("reading tag %s:%s: %w", repo, tag, err) // it may be a kept set's
	}
	if err != nil || !c.images[Image{repo, tag, target}] {
		c.result.Tags++
		return c.remove(c.s.tagDir(repo, tag))
	}
	index := filepath.Join(c.s.tagDir(repo, tag), "index", "sha256")
	return eachName(index, func(name string) error {
		if c.images[Image{repo, tag, Digest(digestPrefix + name)}] {
			return nil
		}
		return c.remove(filepath.Join(index, name))
	})
}

// removeLinks removes the links to blobs that no kept set has, and repositories
// without any.
func (c *collector) removeLinks() error {
	repos, err := c.s.Repositories()
	if err != nil {
		return err
	}
	for i := len(repos) - 1; i >= 0; i-- { // a/b before a
		if err := c.removeRepository(repos[i]); err != nil {
			return err
		}
	}
	c.s.step("links removed")
	return c.sync()
}

func (c *collector) removeRepository(repo string) error {
	dir := filepath.Join(c.s.repositoriesDir(), repo)
	if !c.repos[repo] {
		for _, part := range []string{"_manifests", "_layers", "_uploads"} {
			if err := c.remove(filepath.Join(dir, part)); err != nil {
				return err
			}
		}
		if !c.plan {
			os.Remove(dir) // unless other repositories lie below
		}
		return nil
	}
	for _, part := range []string{"_manifests/revisions/sha256", "_layers/sha256"} {
		links := filepath.Join(dir, part)
		err := eachName(links, func(name string) error {
			if c.blobs[Digest(digestPrefix+name)] {
				return nil
			}
			return c.remove(filepath.Join(links, name))
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func (c *collector) removeBlobs() error {
	return eachName(c.s.blobsDir(), func(two string) error {
		return eachName(filepath.Join(c.s.blobsDir(), two), func(name string) error {
			d := Digest(digestPrefix + name)
			if d.Hex() == "" || c.blobs[d] || c.s.claims.has(d) {
				return nil // not ours to judge, or needed
			}
			if b, err := c.s.Stat(d); err == nil {
				c.result.Blobs++
				c.result.Bytes += b.Size
			}
			return c.remove(filepath.Join(c.s.blobsDir(), two, name))
		})
	})
}

// eachName calls f for the name of each entry of dir, which may be absent.
func eachName(dir string, f func(name string) error) error {
	names, err := dirNames(dir)
	if err != nil {
		return err
	}
	for _, name := range names {
		if err := f(name); err != nil {
			return err
		}
	}
	return nil
}

func dirNames(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if isMissing(err) {
		return nil, nil
	}
	names := make([]string, len(entries))
	for i, e := range entries {
		names[i] = e.Name()
	}
	return names, err
}
