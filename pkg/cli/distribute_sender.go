package cli

import (
	"bytes"
	"context"
	"fmt"
	"slices"

	"github.com/daisy-mcast/daisy-mcast/pkg/deploy"
	"github.com/daisy-mcast/daisy-mcast/pkg/hostname"
)

// maxListInput is more than the list's reader takes, so that it says so.
const maxListInput = 2 << 20

// listStreams are std with the host list as input when that came from there: it
// may be read twice, see findSender.
func (o *distributeOptions) listStreams(std *streams) *streams {
	if o.hostFlags.hosts != "-" {
		return std
	}
	return &streams{In: bytes.NewReader(o.list), Out: std.Out, Err: std.Err}
}

// findSender returns the host that --sender names: one of hosts, or one that
// --limit has left out.
func (o *distributeOptions) findSender(ctx context.Context, std *streams, hosts []deploy.Host) (deploy.Host, error) {
	if h, ok := hostNamed(hosts, o.sender); ok {
		return h, nil
	}
	if len(o.limit) > 0 {
		all := o.hostFlags
		all.limit = []string{o.sender}
		if set, err := all.load(ctx, o.listStreams(std)); err == nil {
			if hosts, err = o.sshFlags.hosts(ctx, std, set); err != nil {
				return deploy.Host{}, err
			}
		}
	}
	if h, ok := hostNamed(hosts, o.sender); ok {
		return h, nil
	}
	return deploy.Host{}, fmt.Errorf("--sender %q is none of the hosts", o.sender)
}

// hostNamed finds a host by name or address.
func hostNamed(hosts []deploy.Host, name string) (deploy.Host, bool) {
	i := slices.IndexFunc(hosts, func(h deploy.Host) bool {
		return hostname.Equal(h.Name, name) || h.Address.String() == name
	})
	if i < 0 {
		return deploy.Host{}, false
	}
	return hosts[i], true
}
