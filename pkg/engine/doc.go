// Package engine talks to the container engine of this machine, Docker's or
// Podman's, through the Docker API behind a small interface. It is the only
// package that imports github.com/docker/docker, so that another client can
// take its place.
//
// [Dial] finds the engine and says plainly why there is none to work with;
// [Engine] is what the rest of the program may ask of it; [ProgramImage] makes
// an image of this program without a download or a temporary file.
//
// Every call is bounded: an engine that accepts connections and never answers
// gives [ErrNotResponding] after Config.Timeout. API versions 1.24 (Docker
// 1.12) to the client's newest are negotiated.
//
// The package builds no images, publishes no ports and logs in nowhere. The
// environment (DOCKER_HOST, DOCKER_API_VERSION, proxies) is not read: what it
// says is meant for another program.
package engine
