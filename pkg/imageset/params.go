package imageset

// Bounds on what a bundle may hold. A real one has some ten thousand entries.
const (
	maxEntries   = 1_000_000
	maxName      = 1024 // bytes of an entry's name
	maxComponent = 255  // bytes of a part of it, as on Linux filesystems
	maxLinkFile  = 1 << 10
	maxVersion   = 64 << 10 // bytes of the .version file
	maxSumFile   = 64 << 10 // bytes of a .sha512sum file
	maxRevisions = 200_000
	maxConfig    = 4 << 20
	maxPayload   = 64 << 10 // bytes of what a signature is over
	maxExamined  = 64 << 20 // bytes of manifests and configs that Check keeps in memory
	maxSavedList = 16 << 20 // bytes of docker save's manifest.json
	maxLayers    = 1024     // of one image in it; Docker's own bound is 127
	maxNames     = 64 << 20 // bytes of all names in a plain tar
	maxLinks     = 4        // from one to the next, in an archive
	sniffed      = 64 << 10 // bytes by which a packed tar's kind is found
	maxNotes     = 20       // skipped entries, and absent images, that are named one by one

	// Layers are compressed already, so that a bundle unpacks to little more
	// than its own size. Deflate can reach 1032:1; that is not an image.
	maxRatio     = 200
	ratioApplies = 64 << 20 // bytes unpacked before the ratio is looked at
	maxUnpacked  = 4 << 40  // bytes in all
	maxTrailing  = 64 << 20 // zero bytes after a tar's end; tar pads to 10 KiB

	// What a packed file hardly ever unpacks to more than, of its size: a bundle's
	// layers are packed already; an archive's are not, and are on disk twice while
	// they are taken. And more inodes than a large bundle's blobs have.
	bundleRatio  = 2
	archiveRatio = 10
	manyInodes   = 20_000

	// maxWindow bounds zstd's memory: what its levels up to 19 need.
	maxWindow = 8 << 20

	// Two chains of buffers make the pipeline: 4 MiB of packed and 16 MiB of
	// unpacked bytes.
	packedBuffer    = 512 << 10
	packedBuffers   = 8
	unpackedBuffer  = 1 << 20
	unpackedBuffers = 16

	// commitsAtOnce is how many blobs are put on disk beside the one that is
	// being written: filesystems join the fsyncs of several files into one.
	commitsAtOnce = 4

	copyBuffer = 1 << 20

	// pieceSize is what a bundle is packed by, a core each; it changes the bytes of
	// every packed bundle.
	pieceSize = 4 << 20

	// blobsAtOnce is how many blobs of a source that can be read in any order are
	// hashed and written at once, with a copyBuffer each; manifestsAtOnce how many
	// manifests are asked for.
	blobsAtOnce     = 8
	manifestsAtOnce = 8

	// provenBlob is up to which size a blob that the store has is hashed before
	// it is believed, also when its file did not change since it was last verified.
	provenBlob = 1 << 20
)
