package kolla

import (
	"fmt"
	"net"
	"net/netip"
	"regexp"
	"strconv"
)

// What may go into the drop-in. The first two are the grammars of OCI's
// distribution-spec (pull.md); the third is what Ansible takes for a host in
// practice. None lets a quote, a brace, a backslash, a space or a line end
// through, so nothing has to be escaped for YAML or for Jinja.
var (
	repositoryGrammar = regexp.MustCompile(`^` + pathPart + `(?:/` + pathPart + `)*\z`)
	tagGrammar        = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}\z`)
	hostGrammar       = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9._:-]{0,252}\z`)
	domainGrammar     = regexp.MustCompile(`^[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?\z`)
)

const pathPart = `[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*`

const maxRepository = 255 // bytes, as every registry bounds it

func isRepository(s string) bool {
	return len(s) <= maxRepository && repositoryGrammar.MatchString(s)
}

// checkAddress says what is wrong with the address of a registry. Kolla puts it
// before the namespace as it is: host:port, no scheme, no path.
func checkAddress(s string) error {
	host, port, err := net.SplitHostPort(s)
	if err != nil {
		return fmt.Errorf("kolla: not the address of a registry: %w", err)
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
		return fmt.Errorf("kolla: not the port of a registry: %q", clip(s))
	}
	addr, err := netip.ParseAddr(host)
	if err == nil && addr.Zone() == "" || domainGrammar.MatchString(host) {
		return nil
	}
	return fmt.Errorf("kolla: not the host of a registry: %q", clip(s))
}

// clip keeps a message short when what it quotes is not.
func clip(s string) string {
	const most = 100 // bytes
	if len(s) > most {
		return s[:most] + "…"
	}
	return s
}
