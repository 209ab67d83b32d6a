package transfer

import (
	"fmt"
	"slices"
	"strings"
)

var slowPolicies = []string{Detach: "detach", Wait: "wait", Drop: "drop"}

// SlowPolicies are the names of the policies, the default first.
func SlowPolicies() []string { return slices.Clone(slowPolicies) }

// String returns the policy's name.
func (p SlowPolicy) String() string {
	if int(p) >= len(slowPolicies) {
		return fmt.Sprintf("slow policy %d", uint8(p))
	}
	return slowPolicies[p]
}

// UnmarshalText reads a policy's name.
func (p *SlowPolicy) UnmarshalText(text []byte) error {
	i := slices.Index(slowPolicies, string(text))
	if i < 0 {
		return fmt.Errorf("slow hosts %q: want one of %s", text, strings.Join(slowPolicies, ", "))
	}
	*p = SlowPolicy(i)
	return nil
}

// MarshalText writes a policy's name.
func (p SlowPolicy) MarshalText() ([]byte, error) { return []byte(p.String()), nil }
