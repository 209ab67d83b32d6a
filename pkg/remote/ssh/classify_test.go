package ssh

import (
	"testing"

	"github.com/daisy-mcast/daisy-mcast/pkg/remote"
)

// What OpenSSH 7.6 to 10 print, as sanitized.
func TestFault64Classify(t *testing.T) {
	tests := []struct {
		stderr string
		reason remote.Reason
		detail string // default: stderr
	}{
		{"root@10.0.0.1: Permission denied (publickey,password).", remote.ReasonAuth, ""},
		{"Permission denied, please try again.\nroot@10.0.0.1: Permission denied (publickey,password).",
			remote.ReasonAuth, "root@10.0.0.1: Permission denied (publickey,password)."},
		{"Received disconnect from 10.0.0.1 port 22:2: Too many authentication failures\nDisconnected from 10.0.0.1 port 22",
			remote.ReasonAuth, "Received disconnect from 10.0.0.1 port 22:2: Too many authentication failures"},
		{"op@jump: Permission denied (publickey).\nConnection closed by UNKNOWN port 65535",
			remote.ReasonAuth, "op@jump: Permission denied (publickey)."},
		{"ssh: connect to host 10.0.0.1 port 22: Connection refused", remote.ReasonRefused, ""},
		{"ssh: connect to host fe80::1%eth0 port 22: Connection timed out", remote.ReasonUnreachable, ""},
		{"ssh: connect to host 10.0.0.1 port 22: No route to host", remote.ReasonUnreachable, ""},
		{"ssh: connect to host 10.0.0.1 port 22: Network is unreachable", remote.ReasonUnreachable, ""},
		{"ssh: connect to host 10.0.0.1 port 22: Invalid argument", remote.ReasonUnreachable, ""},
		{"Connection timed out during banner exchange\nConnection to 10.0.0.1 port 22 timed out",
			remote.ReasonUnreachable, "Connection to 10.0.0.1 port 22 timed out"},
		{"kex_exchange_identification: read: Connection reset by peer\nConnection reset by 10.0.0.1 port 22",
			remote.ReasonUnreachable, "kex_exchange_identification: read: Connection reset by peer"},
		{"ssh_exchange_identification: Connection closed by remote host", remote.ReasonUnreachable, ""},
		{"Connection closed by 10.0.0.1 port 22", remote.ReasonUnreachable, ""},
		{"Unable to negotiate with 10.0.0.1 port 22: no matching host key type found. Their offer: ssh-rsa",
			remote.ReasonUnreachable, ""},
		{"channel 0: open failed: connect failed: No route to host\nstdio forwarding failed\nConnection closed by UNKNOWN port 65535",
			remote.ReasonUnreachable, "channel 0: open failed: connect failed: No route to host"},
		{"ssh: Could not resolve hostname node-1: Name or service not known", remote.ReasonName, ""},
		{"No ED25519 host key is known for 10.0.0.1 and you have requested strict checking.\nHost key verification failed.",
			remote.ReasonHostKeyUnknown, "No ED25519 host key is known for 10.0.0.1 and you have requested strict checking."},
		{"Host key verification failed.", remote.ReasonHostKeyUnknown, ""},
		{"@@@@@@@@@@@\n@    WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!     @\n@@@@@@@@@@@\nIT IS POSSIBLE...\n" +
			"Host key for 10.0.0.1 has changed and you have requested strict checking.\nHost key verification failed.",
			remote.ReasonHostKeyChanged, "WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!"},
		{"@       WARNING: REVOKED HOST KEY DETECTED!               @\nHost key verification failed.",
			remote.ReasonHostKeyChanged, "WARNING: REVOKED HOST KEY DETECTED!"},
		{"command-line: line 0: Bad configuration option: nosuchoption", remote.ReasonConfig, ""},
		{"/root/.ssh/config: line 3: Bad configuration option: foo\n/root/.ssh/config: terminating, 1 bad configuration options",
			remote.ReasonConfig, "/root/.ssh/config: line 3: Bad configuration option: foo"},
		{"Bad owner or permissions on /root/.ssh/config", remote.ReasonConfig, ""},
		{"Can't open user config file /x: No such file or directory", remote.ReasonConfig, ""},
		{"command-line line 0: unsupported option \"accept-new\".", remote.ReasonConfig, ""},
		{"Timeout, server 10.0.0.1 not responding.", remote.ReasonLost, ""},
		{"client_loop: send disconnect: Broken pipe", remote.ReasonLost, ""},
		{"Connection to 10.0.0.1 closed by remote host.", remote.ReasonLost, ""},
		{"", remote.ReasonLost, ""},

		// The host's own words do not pass for ssh's.
		{"daisy-mcast: dial tcp: Connection refused\nTimeout, server 10.0.0.1 not responding.",
			remote.ReasonLost, "Timeout, server 10.0.0.1 not responding."},
		{"agent: lost root@10.0.0.1: Permission denied", remote.ReasonLost, ""},
	}
	for _, tt := range tests {
		if tt.detail == "" {
			tt.detail = tt.stderr
		}
		reason, detail := classify(tt.stderr)
		if reason != tt.reason || detail != tt.detail {
			t.Errorf("%q:\ngot  %q, %q\nwant %q, %q", tt.stderr, reason, detail, tt.reason, tt.detail)
		}
	}
}
