package ssh

import (
	"regexp"
	"strings"

	"github.com/daisy-mcast/daisy-mcast/pkg/remote"
)

// A symptom is a line that ssh prints before it exits with 255.
type symptom struct {
	line   *regexp.Regexp
	reason remote.Reason
}

// symptoms returns the table; of two that occur the earlier one is the cause.
// The patterns begin where ssh's lines do: what a banner or the agent itself
// writes to standard error should not pass for ssh's. "Connection" lines can
// begin with the jump host's name.
func symptoms() []symptom {
	table := []struct {
		pattern string
		reason  remote.Reason
	}{
		{`@ +WARNING: (POSSIBLE DNS SPOOFING|REMOTE HOST IDENTIFICATION HAS CHANGED)`, remote.ReasonHostKeyChanged},
		{`@ +WARNING: REVOKED HOST KEY DETECTED`, remote.ReasonHostKeyChanged},
		{`Host key for .* has changed and you have requested strict checking`, remote.ReasonHostKeyChanged},
		{`No .* host key is known for .* and you have requested strict checking`, remote.ReasonHostKeyUnknown},
		{`Host key verification failed`, remote.ReasonHostKeyUnknown},
		{`.*: Bad configuration option`, remote.ReasonConfig},
		{`.*: terminating, \d+ bad configuration options`, remote.ReasonConfig},
		{`(command-line|.* line \d+).*: (unsupported|Bad|bad|keyword|Unsupported|missing|invalid) `, remote.ReasonConfig},
		{`Bad owner or permissions on `, remote.ReasonConfig},
		{`Can't open user config file `, remote.ReasonConfig},
		{`\S+: Permission denied \(`, remote.ReasonAuth},
		{`Permission denied`, remote.ReasonAuth},
		{`Received disconnect from .*Too many authentication failures`, remote.ReasonAuth},
		{`ssh: Could not resolve hostname `, remote.ReasonName},
		{`ssh: connect to host .*: Connection refused`, remote.ReasonRefused},
		{`ssh: connect to host `, remote.ReasonUnreachable},
		{`Connection to .* port .* timed out`, remote.ReasonUnreachable},
		{`Connection timed out during banner exchange`, remote.ReasonUnreachable},
		{`(ssh|kex)_(exchange_identification|dispatch_run_fatal): `, remote.ReasonUnreachable},
		{`banner exchange: `, remote.ReasonUnreachable},
		{`Unable to negotiate with `, remote.ReasonUnreachable},
		{`channel \d+: open failed: `, remote.ReasonUnreachable},
		{`stdio forwarding failed`, remote.ReasonUnreachable},
		{`Timeout, server .* not responding`, remote.ReasonLost},
		{`client_loop: `, remote.ReasonLost},
		{`Connection to .* closed by remote host`, remote.ReasonLost},
		{`(Read from remote host|Connection (closed|reset) by) `, remote.ReasonUnreachable},
	}
	list := make([]symptom, 0, len(table))
	for _, row := range table {
		list = append(list, symptom{regexp.MustCompile(`(?m)^` + row.pattern + `.*$`), row.reason})
	}
	return list
}

// classify finds the cause in the end of ssh's standard error, and the line
// that says it. An exit without a word is a connection that was lost.
func classify(stderr string) (reason remote.Reason, detail string) {
	for _, s := range symptoms() {
		if line := s.line.FindString(stderr); line != "" {
			return s.reason, strings.Trim(line, "@ \r")
		}
	}
	return remote.ReasonLost, stderr[strings.LastIndexByte(stderr, '\n')+1:]
}
