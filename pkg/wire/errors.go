package wire

import "errors"

// ErrFormat is wrapped by every error about what a peer sent: a frame or field
// that doc.go does not permit. The connection is to be closed.
var ErrFormat = errors.New("wire: not the protocol's format")

// ErrVersion is wrapped by errors about a peer that speaks none of our
// versions; the text names both sides'.
var ErrVersion = errors.New("wire: no common protocol version")

// ErrExhausted is returned when a session's key has sealed MaxPackets packets.
var ErrExhausted = errors.New("wire: the session's packets are used up")
