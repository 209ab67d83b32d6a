package daisyconfig

import (
	"fmt"
	"net/netip"

	"github.com/daisy-mcast/daisy-mcast/pkg/hostname"
	"github.com/daisy-mcast/daisy-mcast/pkg/pyyaml"
)

// quote shows a value that is no secret, cut when it is long.
func quote(text string) string {
	if len(text) > 40 {
		text = text[:40] + "..."
	}
	return fmt.Sprintf("%q", text)
}

// readAddress reads an IPv4 address; the zero Addr when n is absent or wrong.
func readAddress(n *pyyaml.Node) netip.Addr {
	text, ok := n.Text()
	if !ok {
		return netip.Addr{}
	}
	a, err := hostname.ParseAddress(text)
	if err != nil {
		n.Want(err.Error(), quote(text))
	}
	return a
}

// readName reads a host's name; "" is Daisy's word for none.
func readName(n *pyyaml.Node) string {
	text, ok := n.Text()
	if !ok || text == "" {
		return ""
	}
	if err := hostname.Check(text); err != nil {
		n.Want(err.Error(), quote(text))
	}
	return text
}

// uniques remembers the line of each value that may be given only once. The
// keys are a kind of value and the value.
type uniques map[[2]string]int

// before returns the line where the value was given already.
func (u uniques) before(kind, value string, line int) (int, bool) {
	key := [2]string{kind, value}
	if first, ok := u[key]; ok {
		return first, true
	}
	u[key] = line
	return 0, false
}

// check refuses a value that was given already. "" is no value.
func (u uniques) check(n *pyyaml.Node, kind, value string) {
	if n == nil || value == "" {
		return
	}
	if line, ok := u.before(kind, value, n.Line()); ok {
		n.Refuse("%s %s was given on line %d already", kind, quote(value), line)
	}
}
