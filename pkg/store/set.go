package store

import (
	"time"
)

// A Blob is one piece of content: a manifest, a config or a layer.
type Blob struct {
	Digest Digest `json:"digest"`
	Size   int64  `json:"size"` // bytes
}

// An Image is a name under which a registry answers with a manifest.
type Image struct {
	Repository string `json:"repository"` // as in kolla/centos-binary-keystone
	Tag        string `json:"tag"`
	Manifest   Digest `json:"manifest"`
}

// A Release says what a set was made from, as the .version file of a Daisy
// bundle does. Any field may be empty.
type Release struct {
	Branch string `json:"branch,omitempty"` // stable/queens
	Tag    string `json:"tag,omitempty"`    // 6.0.0: Kolla's openstack_release
	Date   string `json:"date,omitempty"`
	Commit string `json:"commit,omitempty"`
}

// A Set is a list of images that belong together and of every blob they need.
// It is what a bundle holds and what a deploy server tells the hosts to serve.
// A Set is not changed after it was made.
type Set struct {
	ID            string    `json:"id"` // hex SHA-256 over images and blobs; see NewSet
	Images        []Image   `json:"images"`
	Blobs         []Blob    `json:"blobs"`                   // sorted by digest, no digest twice; manifests too
	Architectures []string  `json:"architectures,omitempty"` // GOARCH names
	Release       Release   `json:"release"`
	Created       time.Time `json:"created"`
}
