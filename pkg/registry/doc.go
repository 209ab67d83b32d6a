// Package registry is the container registry that ships inside daisy-mcast: a
// read-only server of the OCI distribution specification's pull and content
// discovery categories over a [store.Store], and the client that proves that
// such a server delivers.
//
// [New] makes the handler, [Serve] runs it on plain and TLS addresses in one
// process, [Client] verifies it from outside.
//
// Tags are resolved from the store's current set first and from registry:2's
// tag links after that (R9). A digest of the current set that the store lacks
// is fetched from the [Upstream], once for all who ask for it at the same time, and
// verified while it passes through to each; it is kept only with Config.Fill. No
// other digest ever leaves the machine (R10).
//
// # Limitations
//
// Nothing can be pushed or deleted. Who asks when the first mebibyte of a fetch is
// over begins another. Content is served in a repository when the
// repository is one of the current set or when registry:2's links name it
// there. A blob that comes from upstream is sent whole: Range is ignored for
// it, which RFC 9110 section 14.2 allows. Only sha256 digests exist here.
// Content encodings are not negotiated.
package registry
