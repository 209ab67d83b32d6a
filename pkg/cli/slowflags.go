package cli

import (
	"fmt"
	"strings"

	"github.com/spf13/pflag"

	"github.com/daisy-mcast/daisy-mcast/pkg/transfer"
)

// slowFlags say what becomes of hosts that hold up the others, and of how many it
// takes: of the native protocol.
type slowFlags struct {
	slowHosts string
	minRate   bitRate
	quorum    int
	dscp      int
}

func (f *slowFlags) AddFlags(fs *pflag.FlagSet) {
	names := transfer.SlowPolicies()
	fs.StringVar(&f.slowHosts, "slow-hosts", names[0], "what becomes of hosts that take less than half of what the others take: "+
		strings.Join(names, ", ")+" (served after the others, waited for, given up)")
	fs.Var(&f.minRate, "min-rate", "a host that takes less counts as slow whatever the others take, also with --slow-hosts wait: 20M")
	fs.IntVar(&f.quorum, "quorum", 0, "end the sending when fewer hosts than this have joined in time, or are left")
	fs.IntVar(&f.dscp, "dscp", 0, "class of service of the packets, 0 to 63")
}

// check returns the policy. hosts is how many there are.
func (f *slowFlags) check(hosts int) (policy transfer.SlowPolicy, err error) {
	switch {
	case policy.UnmarshalText([]byte(f.slowHosts)) != nil:
		return policy, fmt.Errorf("--slow-hosts %q: want one of %s", f.slowHosts, strings.Join(transfer.SlowPolicies(), ", "))
	case f.quorum < 0 || f.quorum > hosts:
		return policy, fmt.Errorf("--quorum %d is not from 0 to the number of hosts, %d", f.quorum, hosts)
	case f.dscp < 0 || f.dscp > 63:
		return policy, fmt.Errorf("--dscp %d is not from 0 to 63", f.dscp)
	}
	return policy, nil
}

// isSet reports whether any of them was given.
func (f *slowFlags) isSet() bool {
	return f.slowHosts != transfer.SlowPolicies()[0] || f.minRate != 0 || f.quorum != 0 || f.dscp != 0
}
