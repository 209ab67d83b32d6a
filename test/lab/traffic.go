package lab

import (
	"fmt"
	"regexp"
	"strconv"
)

// MarkOver has the switch mark what comes from a host beyond a rate as having met
// congestion (RFC 3168), if the packets say that they may be marked, and drop
// nothing. It counts packets: of bytes nft lets through what a second may have, and
// the burst, before it finds that there are too many.
func (s *Switch) MarkOver(host string, packetsPerSecond int) error {
	rule := fmt.Sprintf("ip ecn ect0 limit rate over %d/second burst 40 packets ip ecn set ce", packetsPerSecond)
	hook := fmt.Sprintf("type filter hook ingress device %q priority 0;", portName(host))
	return s.Exec(fmt.Sprintf("table netdev lab_mark {\nchain c {\n%s\n%s\n}\n}\n", hook, rule), "nft", "-f", "-")
}

// Count begins to count the packets that arrive at the host's first interface and
// match, in nft's words: "udp dport 53". Counted reads the count by its name.
func (h *Host) Count(name, match string) error {
	return h.nft("count_"+name, fmt.Sprintf("type filter hook ingress device %q priority -10;", h.Device()),
		match+" counter", "netdev")
}

// A Traffic is what a Count has seen.
type Traffic struct{ Packets, Bytes int64 }

var counterText = regexp.MustCompile(`counter packets (\d+) bytes (\d+)`)

// Counted returns what Count has counted under a name. Bytes are those of the IP
// packets.
func (h *Host) Counted(name string) (t Traffic, err error) {
	out, err := outputInNet(h.ns.files[0], "", "nft", "list", "table", "netdev", "lab_count_"+name)
	if err != nil {
		return t, fmt.Errorf("on %s: %w", h.Name(), err)
	}
	m := counterText.FindStringSubmatch(out)
	if m == nil {
		return t, fmt.Errorf("on %s: no count in %q", h.Name(), out)
	}
	t.Packets, _ = strconv.ParseInt(m[1], 10, 64)
	t.Bytes, _ = strconv.ParseInt(m[2], 10, 64)
	return t, nil
}
