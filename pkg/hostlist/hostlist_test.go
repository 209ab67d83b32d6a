package hostlist

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func read(t *testing.T, text string) *List {
	t.Helper()
	l, err := Read("hosts.yml", strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return l
}

const whole = `hosts:
- name: node1
  address: 10.0.0.11
  user: deploy@example.org
  port: '2222'
  identity: ~/.ssh/id_lab
  ssh_options: [ProxyJump=bastion, 'ServerAliveInterval=5']
  become: yes
  become_password: hunter2
  password: hunter3
  roles: [COMPUTER]
  preload: ['*-nova-*']
- address: 10.0.0.12
- {name: node3.example.org, connection: local, user: , port: 22}
- {name: 10.0.0.14, connection: ssh}
`

func TestR1WholeList(t *testing.T) {
	l := read(t, whole)
	want := "[" + strings.Join([]string{
		"{node1 10.0.0.11 10.0.0.11 false deploy@example.org 2222 ~/.ssh/id_lab [ProxyJump=bastion ServerAliveInterval=5] true *** *** [COMPUTER] [*-nova-*] 2}",
		"{host-10-0-0-12 10.0.0.12 10.0.0.12 false  0  [] false *** *** [] [] 13}",
		"{node3.example.org node3.example.org invalid IP true  22  [] false *** *** [] [] 14}",
		"{10.0.0.14 10.0.0.14 10.0.0.14 false  0  [] false *** *** [] [] 15}",
	}, " ") + "]"
	if got := fmt.Sprint(l.Hosts); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if h := l.Hosts[0]; h.BecomePassword.Reveal() != "hunter2" || h.Password.Reveal() != "hunter3" || !l.Hosts[1].Password.IsZero() {
		t.Error("a password was not read")
	}
	if shown := fmt.Sprintf("%+v %#v", l, l); strings.Contains(shown, "hunter") {
		t.Errorf("T12: shown: %s", shown)
	}
}

func TestR1JSONAndBareLists(t *testing.T) {
	for _, text := range []string{
		`{"hosts": [{"name": "node1", "address": "10.0.0.11", "port": 22, "become": true, "user": null}]}`,
		`[{"name": "node1", "address": "10.0.0.11"}]`,
		"[\n\t{\n\t\t\"name\": \"node1\",\n\t\t\"address\": \"10.0.0.11\"\n\t}\n]\n",
		"- {name: node1, address: 10.0.0.11}\n",
	} {
		if l := read(t, text); len(l.Hosts) != 1 || l.Hosts[0].Name != "node1" || l.Hosts[0].Address != "10.0.0.11" {
			t.Errorf("%s: got %+v", text, l.Hosts)
		}
	}
}

func TestRefused(t *testing.T) {
	for name, tt := range map[string]struct{ text, want string }{
		"empty":          {"", "hosts.yml: empty; want a YAML document"},
		"no hosts":       {"hosts: []\n", "hosts.yml:1: hosts: want at least one host, got an empty list"},
		"no hosts bare":  {"[]", "hosts.yml:1: want at least one host, got an empty list"},
		"no list":        {"all: []\n", "hosts.yml:1: hosts: missing; want a list of hosts"},
		"a string":       {"node1\n", "hosts.yml:1: want a list, got a string"},
		"host a string":  {"- node1\n", "hosts.yml:1: [0]: want a mapping, got a string"},
		"neither":        {"- user: root\n", "hosts.yml:1: [0]: want a name or an address, got neither"},
		"fault 61 name":  {"- name: a\n- name: A\n  address: b\n", "hosts.yml:2: [1]: host name A was given on line 1 already"},
		"fault 61 addr":  {"- {name: a, address: 10.0.0.1}\n- {name: b, address: 10.0.0.1}\n", "hosts.yml:2: [1]: address 10.0.0.1 was given on line 1 already"},
		"fault 61 both":  {"- {name: a, address: b}\n- name: b\n", "hosts.yml:2: [1]: address b was given on line 1 already"},
		"fault 63 IPv6":  {"- address: fe80::1\n", "hosts.yml:1: [0].address: want an IPv4 address; multicast here is IPv4 only, got an IPv6 address"},
		"IPv6 name":      {"- name: ::1\n", "hosts.yml:1: [0].name: want an IPv4 address; multicast here is IPv4 only, got an IPv6 address"},
		"no address":     {"- address: 10.0.0.300\n", `hosts.yml:1: [0].address: want an IPv4 address, got "10.0.0.300"`},
		"port":           {"- {name: a, port: 65536}\n", "hosts.yml:1: [0].port: want a port from 1 to 65535"},
		"port text":      {"- {name: a, port: ssh}\n", "hosts.yml:1: [0].port: want a port from 1 to 65535"},
		"port a float":   {"- {name: a, port: 2.2}\n", "hosts.yml:1: [0].port: want an integer, got a floating-point number"},
		"connection":     {"- {name: a, connection: winrm}\n", `hosts.yml:1: [0].connection: want ssh or local, got "winrm"`},
		"become":         {"- {name: a, become: root}\n", "hosts.yml:1: [0].become: want a boolean, got a string"},
		"password":       {"- {name: a, password: 1234}\n", "hosts.yml:1: [0].password: want a string, got an integer (put it in quotes)"},
		"options":        {"- {name: a, ssh_options: -v}\n", "hosts.yml:1: [0].ssh_options: want a list, got a string"},
		"option":         {"- {name: a, ssh_options: [-v]}\n", `hosts.yml:1: [0].ssh_options[0]: want an option of ssh, Key=Value, got "-v"`},
		"option no key":  {"- {name: a, ssh_options: [foo]}\n", `hosts.yml:1: [0].ssh_options[0]: want an option of ssh, Key=Value, got "foo"`},
		"option, 2":      {"- {name: a, ssh_options: [\"A=b\\nB=c\"]}\n", `hosts.yml:1: [0].ssh_options[0]: want an option of ssh, Key=Value, got "A=b\nB=c"`},
		"identity":       {"- {name: a, identity: -x}\n", `hosts.yml:1: [0].identity: want the path of a private key, got "-x"`},
		"duplicate keys": {"- name: a\n  name: b\n", `hosts.yml:2: key "name" was given on line 1 already`},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Read("hosts.yml", strings.NewReader(tt.text))
			if fmt.Sprint(err) != tt.want {
				t.Errorf("got  %v\nwant %s", err, tt.want)
			}
		})
	}
}

func TestFault63MetacharactersAreRefused(t *testing.T) {
	for _, field := range []string{"name", "address", "user"} {
		for _, value := range []string{";rm", "-oProxyCommand=x", "a b", "$(x)", "a`x`", "a|b", "a'b", "a\\\"b"} {
			_, err := Read("hosts.yml", strings.NewReader("- name: a\n- "+field+": \""+value+"\"\n"))
			if err == nil || !strings.HasPrefix(err.Error(), "hosts.yml:2: [1]."+field+": want ") {
				t.Errorf("%s %s: got %v", field, value, err)
			}
		}
	}
}

func TestLimit(t *testing.T) {
	l := read(t, whole)
	hosts, err := l.Limit([]string{"10.0.0.12", "NODE1", "node1"})
	if err != nil || len(hosts) != 2 || hosts[0].Name != "node1" || hosts[1].Address != "10.0.0.12" {
		t.Errorf("got %+v, %v", hosts, err)
	}
	if hosts, err := l.Limit(nil); err != nil || len(hosts) != 4 {
		t.Errorf("no limit: got %d hosts, %v", len(hosts), err)
	}
	if _, err := l.Limit([]string{"node1", "node9"}); fmt.Sprint(err) != `--limit "node9": no host in hosts.yml has that name or address` {
		t.Errorf("got %v", err)
	}
}

func TestWarnings(t *testing.T) {
	path := filepath.Join(t.TempDir(), "hosts.yml")
	if err := os.WriteFile(path, []byte("- {name: a, password: x, colour: red}\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	l, err := Load(path)
	if err != nil {
		t.Fatal(err)
	}
	want := fmt.Sprintf("[%[1]s:1: unknown key [0].colour, ignored %[1]s: holds passwords and can be read by other users (mode 0644); chmod 600 it]", path)
	if got := fmt.Sprint(l.Warnings); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if err := os.WriteFile(path, []byte("- {name: a}\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if l, err := Load(path); err != nil || len(l.Warnings) != 0 {
		t.Errorf("no password, got %v, %v", l.Warnings, err)
	}
}
