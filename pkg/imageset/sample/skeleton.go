// Package sample makes bundles like Daisy's for demos and tests.
package sample

import (
	"errors"
	"io"

	"github.com/daisy-mcast/daisy-mcast/pkg/store"
)

// Options say what a sample bundle holds. The zero value gives three small images.
type Options struct {
	Images       []string // names without namespace; default: Kolla-like names
	Count        int      // when Images is empty: how many; default 3
	Prefix       string   // default "tmp/registry"
	Namespace    string   // default "kolla"
	Tag          string   // default "6.0.0"
	Seed         uint64
	LayerSize    int64    // bytes of each layer's content; default 64 KiB
	SharedLayers int      // layers that all images share; default 2
	Program      []byte   // static binary, placed as /app and run as the entrypoint
	Args         []string // of the program
	Architecture string   // GOARCH; default amd64
	Changed      []string // images whose own layer differs from Revision 0
	Revision     int
	Release      store.Release // default: stable/queens, Tag
}

// Write writes a bundle as gzip-compressed tar to w.
func Write(w io.Writer, o Options) error { return errors.ErrUnsupported }
