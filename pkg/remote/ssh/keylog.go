package ssh

import (
	"bytes"
	"log/slog"

	"github.com/daisy-mcast/daisy-mcast/pkg/remote"
)

// keyLineBytes bounds a line that keyLog keeps.
const keyLineBytes = 1 << 10

// A keyLog is a writer for ssh's standard error that logs which host keys ssh
// has added to known_hosts.
type keyLog struct {
	log  *slog.Logger
	host string
	line []byte
}

func (k *keyLog) Write(p []byte) (int, error) {
	n := len(p)
	for len(p) > 0 {
		end := bytes.IndexByte(p, '\n')
		if end < 0 {
			k.keep(p)
			break
		}
		k.keep(p[:end])
		k.look()
		p = p[end+1:]
	}
	return n, nil
}

func (k *keyLog) keep(p []byte) {
	k.line = append(k.line, p[:min(len(p), keyLineBytes-len(k.line))]...)
}

func (k *keyLog) look() {
	if bytes.HasPrefix(k.line, []byte("Warning: Permanently added ")) {
		k.log.Warn("accepted a new host key", "host", k.host, "ssh", remote.Sanitize(string(k.line)))
	}
	k.line = k.line[:0]
}
