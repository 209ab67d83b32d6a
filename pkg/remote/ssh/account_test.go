package ssh

import "testing"

func TestPrompts(t *testing.T) {
	who := account{user: "root", target: "10.0.0.1"}
	tests := []struct {
		prompt string
		want   bool
	}{
		{"root@10.0.0.1's password: ", true},
		{"(root@10.0.0.1) Password: ", true},
		{"(root@10.0.0.1) Password:", true},
		{"root@10.0.0.10's password: ", false},
		{"root@jump's password: ", false},
		{"(root@jump) Password: ", false},
		{"admin@10.0.0.1's password: ", false},
		{"Password: ", false}, // any server can make ssh show this
		{"(root@jump) root@10.0.0.1's password: ", false},
		{"(root@10.0.0.1) Verification code: ", false},
		{"(root@10.0.0.1) Current password: ", false},
		{"Enter passphrase for key '/root/.ssh/id_ed25519': ", false},
		{"The authenticity of host '10.0.0.1 (10.0.0.1)' can't be established.\n" +
			"ED25519 key fingerprint is SHA256:abc.\nAre you sure you want to continue connecting (yes/no/[fingerprint])? ", false},
		{"Please type 'yes', 'no' or the fingerprint: ", false},
		{"root@10.0.0.1's password: \nroot@10.0.0.1's password: ", false},
		{"", false},
	}
	for _, tt := range tests {
		if got := who.asksFor(tt.prompt); got != tt.want {
			t.Errorf("%q: got %v, want %v", tt.prompt, got, tt.want)
		}
	}
	v6 := account{user: "kolla", target: "FE80::1%eth0"}
	if !v6.asksFor("kolla@fe80::1%eth0's password: ") {
		t.Error("ssh writes names in lower case")
	}
}

func TestParseAccount(t *testing.T) {
	tests := []struct {
		config string
		want   account
	}{
		{"host n1\nuser kolla\nhostname 10.0.0.1\nport 22\n", account{"kolla", "10.0.0.1"}},
		{"user root\nhostname 10.0.0.1\nhostkeyalias node-1\n", account{"root", "node-1"}},
		{"user root\n", account{}},
		{"", account{}},
	}
	for _, tt := range tests {
		got, err := parseAccount(tt.config)
		if (err == nil) != (tt.want.target != "") || err == nil && got != tt.want {
			t.Errorf("%q: got %v and %v, want %v", tt.config, got, err, tt.want)
		}
	}
}
