// Package sample makes bundles like Daisy's, for demos, benchmarks and tests: a
// gzip-compressed tar of a registry:2 directory under the builder's path
// prefix, with Docker schema 2 images that a real engine pulls and, when a
// program is given, runs.
//
// The same Options give the same bytes. Layers are made as they are written,
// twice (once for their digests), so that a bundle may be larger than memory.
// What Write makes is well formed; tests that need a broken bundle break it.
package sample

import (
	"fmt"
	"slices"
	"time"

	"github.com/daisy-mcast/daisy-mcast/pkg/store"
)

// Options say what a sample bundle holds. The zero value gives three small
// images.
type Options struct {
	Images       []string      // names without namespace; default: Count Kolla-like names
	Count        int           // default 3; not used with Images
	Prefix       string        // path before docker/registry/v2; default "tmp/registry", "." for none
	Namespace    string        // default "kolla"
	Tag          string        // default Release.Tag
	Release      store.Release // default: stable/queens, 6.0.0, with a date and a commit
	Seed         uint64        // of the layers' random content
	LayerSize    int64         // bytes of random content in each layer; default 64 KiB
	SharedLayers int           // layers that all images share; default 2, negative means none
	Program      []byte        // static binary, run as /app; without it the images cannot be run
	Args         []string      // of the program
	Architecture string        // GOARCH of the images; default amd64

	// Revision, when not 0, changes the own layer of the images in Changed (all,
	// when it is empty), and of no other: a later build under the same tag.
	Revision uint64
	Changed  []string
	// ChangedBase has Revision change the topmost layer that all images share, and no
	// image's own: a base image that was built again.
	ChangedBase bool
}

// imageNames are those of a small Kolla deployment.
var imageNames = [...]string{
	"centos-source-keystone", "centos-source-mariadb", "centos-source-rabbitmq",
	"centos-source-glance-api", "centos-source-nova-compute", "centos-source-nova-api",
	"centos-source-neutron-server", "centos-source-horizon", "centos-source-cinder-volume",
	"centos-source-heat-api", "centos-source-haproxy", "centos-source-memcached",
	"centos-source-kolla-toolbox", "centos-source-cron", "centos-source-fluentd",
	"centos-source-neutron-openvswitch-agent",
}

// epoch is the time in every header and config: bundles are reproducible.
var epoch = time.Date(2018, time.March, 1, 12, 0, 0, 0, time.UTC)

func (o Options) withDefaults() Options {
	if o.Count <= 0 {
		o.Count = 3
	}
	if len(o.Images) == 0 {
		o.Images = defaultNames(o.Count)
	}
	if o.Prefix == "" {
		o.Prefix = "tmp/registry"
	}
	if o.Namespace == "" {
		o.Namespace = "kolla"
	}
	if o.Release == (store.Release{}) {
		o.Release = store.Release{Branch: "stable/queens", Tag: "6.0.0",
			Date: epoch.Format(time.DateTime), Commit: "0123456789abcdef0123456789abcdef01234567"}
	}
	if o.Tag == "" {
		o.Tag = o.Release.Tag
	}
	if o.LayerSize == 0 {
		o.LayerSize = 64 << 10
	}
	if o.SharedLayers == 0 {
		o.SharedLayers = 2
	}
	if o.Architecture == "" {
		o.Architecture = "amd64"
	}
	return o
}

func defaultNames(n int) []string {
	names := make([]string, n)
	for i := range names {
		names[i] = imageNames[i%len(imageNames)]
		if i >= len(imageNames) {
			names[i] += fmt.Sprintf("-%d", i/len(imageNames)+1)
		}
	}
	return names
}

func (o Options) validate() error {
	if o.LayerSize < 0 {
		return fmt.Errorf("sample: layer size %d", o.LayerSize)
	}
	if !store.ValidTag(o.Tag) {
		return fmt.Errorf("sample: tag %q", o.Tag)
	}
	for i, name := range o.Images {
		if !store.ValidRepository(o.repository(name)) || slices.Contains(o.Images[:i], name) {
			return fmt.Errorf("sample: image name %q", name)
		}
	}
	return nil
}

func (o Options) repository(name string) string { return o.Namespace + "/" + name }

// changed reports whether the image is of the given Revision.
func (o Options) changed(name string) bool {
	return o.Revision != 0 && !o.ChangedBase && (len(o.Changed) == 0 || slices.Contains(o.Changed, name))
}
