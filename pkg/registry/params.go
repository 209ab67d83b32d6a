package registry

import (
	"time"

	"github.com/daisy-mcast/daisy-mcast/pkg/store"
)

// Headers of this registry and of the specification it follows.
const (
	headerVersion  = "Docker-Distribution-Api-Version" // dockerd 1.12 to 20.10 ask for it
	headerDigest   = "Docker-Content-Digest"
	headerFilters  = "OCI-Filters-Applied"
	headerIdentity = "Daisy-Mcast-Registry" // whose registry answers, on every answer
	headerSource   = "Daisy-Mcast-Source"   // store or upstream, on manifests and blobs
	headerHop      = "Daisy-Mcast-Hop"      // set on what goes upstream; answered from the store alone

	apiVersion = "registry/2.0"
)

// The values of the Daisy-Mcast-Source header.
const (
	SourceStore    = "store"    // read from the registry's own disk
	SourceUpstream = "upstream" // fetched from the central registry for this request
)

const (
	// maxReferrers bounds one page of referrers in bytes; it is an image index,
	// thus a manifest.
	maxReferrers = store.MaxManifest
	// maxPage bounds the entries of one page of tags or repositories; a set has
	// 20,000 images at most.
	maxPage = 10_000
	// maxJSON bounds an answer that is read from another registry and is neither
	// a manifest nor a blob, in bytes: tokens and errors.
	maxJSON = 64 << 10

	// withheld is how much of a blob from upstream is kept back until its digest
	// is proven, in bytes. It is also the size of the copy buffer, so a pull
	// through upstream costs this much memory and no more.
	withheld = 32 << 10
	// maxPulls bounds the manifests and blobs that are sent at one time; more
	// wait in line. A thousand hosts that pull three layers each then share the
	// link a few hundred at a time, and the buffers stay under 20 MiB: pulls by
	// registries of ours, which are counted apart, need none.
	maxPulls = 512
	// maxFlights bounds the fetches from upstream that are shared, and flightWindow
	// what each keeps in memory for its askers, in bytes: 64 MiB in all. A window is
	// 8 ms at 1 Gb/s, which covers how unevenly askers are scheduled.
	maxFlights   = 64
	flightWindow = 1 << 20
	// askerPatience is how long one asker may hold up others of the same fetch, in
	// all; fillPatience how long the disk may that keeps what comes.
	askerPatience = time.Second
	fillPatience  = 30 * time.Second
	// maxConns bounds the connections of one listener.
	maxConns = 4096
	// maxHeader bounds a request's header in bytes; tokens can be some KiB.
	maxHeader = 32 << 10
	// maxUpstreamFile bounds upstream.json in bytes; it holds certificates.
	maxUpstreamFile = 1 << 20

	// listenAgain is how long nobody listens at most between a registry that ends
	// and the one that waits for its address.
	listenAgain = 20 * time.Millisecond

	readHeaderTimeout = 10 * time.Second
	idleTimeout       = 2 * time.Minute
	// writeStall is how long a client may take for writeChunk bytes before its
	// connection is closed: a stopped client must not hold its place for ever.
	writeStall = 2 * time.Minute
	writeChunk = 8 << 20 // bytes
	// shutdownGrace is what pulls have to finish in after the registry was told
	// to stop.
	shutdownGrace = 10 * time.Second

	dialTimeout    = 10 * time.Second
	handshakeLimit = 10 * time.Second
	// answerTimeout is how long another registry may take until its header.
	answerTimeout = 30 * time.Second
	// readStall is how long another registry may send nothing in mid-body.
	readStall    = 30 * time.Second
	maxRedirects = 5
)
