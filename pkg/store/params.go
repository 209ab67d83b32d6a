package store

// Bounds on what is read from files and from other machines. They are far above
// any real set (a Kolla release has about 200 images and 2000 blobs) and low
// enough that hostile input cannot exhaust a host.
const (
	// MaxBlobs and MaxImages bound a Set.
	MaxBlobs  = 100_000
	MaxImages = 20_000
	// MaxSetFile bounds the JSON text of a Set: 100,000 blobs take 11 MB.
	MaxSetFile = 64 << 20
	// MaxManifest is registry:2's own bound on a manifest, in bytes.
	MaxManifest = 4 << 20
	// MaxBlobSize bounds one blob: 1 TiB. A Set's total then cannot overflow.
	MaxBlobSize = 1 << 40

	// MaxIndexDepth is how deep indexes may lie in indexes.
	MaxIndexDepth = 3

	maxLink          = 1 << 10 // a link file holds 71 bytes
	maxReferences    = 4096    // layers or children of one manifest
	maxURLs          = 16      // of a foreign layer
	maxRepository    = 255     // OCI distribution-spec
	maxArchitectures = 64
	maxReleaseField  = 1 << 10
	maxSets          = 10_000 // files read in sets/

	// writebackStep is how much of a blob is written before the kernel is asked
	// to start putting it on disk, so that the final fsync is short.
	writebackStep = 8 << 20
)
