// Package imageset reads bundles of images into a store, and turns blobs into
// one stream of bytes and back.
//
// Import takes a Daisy bundle: a tar, plain or compressed by gzip or zstd, of a
// registry:2 storage directory under any path prefix, and a .version file; such a
// directory itself; what docker save and podman save write; an OCI layout. A file
// is read once, and nothing of it is trusted: each name must be of the format's
// layout, each blob must match its digest, and each tag must lead to a manifest
// all of whose parts are there. The result is a store.Set whose blobs are in the
// store; making it the current one is left to the caller. An Origin is any other
// place that images come from; ImportOrigin takes it by the same rules.
//
// A Pack is a list of blobs laid one after the other. Pack.Reader reads that byte
// space from a store, a Sink writes it into one: in order, or in any order where a Summer
// has told what the segments are to be.
//
// # Limitations
//
// Docker's schema 1 manifests and digests other than SHA-256 are refused.
// Nothing is unpacked: layers stay as they are, also those that docker save has
// unpacked.
package imageset
