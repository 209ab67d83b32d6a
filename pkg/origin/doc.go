// Package origin has the places that images come from which are programs, not
// files: a running registry, and the container engine of this machine. Open makes
// imageset's origins of a URL:
//
//	registry://host[:port][/prefix]   all of a registry's images, or a choice
//	docker://[socket]                 Docker's images, one archive each
//	podman://[socket]                 Podman's
//
// A registry is spoken to by HTTPS, on a loopback address by HTTP; proxies are
// honoured here and nowhere else in this program (RULES.md R6).
//
// # Limitations
//
// Nothing is pushed or removed. Signatures and attestations that lie beside an
// image, as tags of their own, are not images and are left out.
package origin
