// Package store keeps images on disk in the layout of Docker's registry:2, so
// that any registry of that kind serves the same directory.
//
// A Set is the list of images that belong together; a Store is a directory
// that holds blobs, the sets that were put there, and a pointer to the one that
// is current. The types to know are Store, Set, Blob and BlobWriter.
//
//	<dir>/docker/registry/v2/blobs/sha256/<2 hex>/<64 hex>/data
//	<dir>/docker/registry/v2/repositories/<name>/_manifests/revisions/sha256/<hex>/link
//	<dir>/docker/registry/v2/repositories/<name>/_manifests/tags/<tag>/current/link
//	<dir>/docker/registry/v2/repositories/<name>/_manifests/tags/<tag>/index/sha256/<hex>/link
//	<dir>/docker/registry/v2/repositories/<name>/_layers/sha256/<hex>/link
//	<dir>/daisy-mcast/sets/<id>.json   a set, never changed once written
//	<dir>/daisy-mcast/current          "whole <id>" or "lean <id>"
//	<dir>/daisy-mcast/staging/         blobs that are being written
//	<dir>/daisy-mcast/lock             shared by writers, exclusive for GC
//
// # Order of writing
//
// A blob gets its name only when all its bytes are on disk and match its
// digest; each is hashed once, as it comes, in whatever order (BlobStage). Links follow once every blob of the set is there, tags after all
// other links, and `current`, which alone decides what a registry of ours
// answers, after the tags. Whoever is killed at any instant therefore leaves the
// old set or the new one. Content that lost its directory entry in a power cut
// is merely missing again.
//
// # Limitations
//
// Only SHA-256. Nothing here speaks HTTP, and nothing knows how bytes travel.
package store
