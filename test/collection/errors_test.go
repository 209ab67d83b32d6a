package collection

import (
	"strings"
	"testing"
)

// What operators get wrong is answered with what is wrong, where, and what to do,
// and never with a traceback. Nothing has been done by then.
func TestRoleSaysWhatIsWrong(t *testing.T) {
	need(t, "ansible-playbook")
	const host = "h1 ansible_host=127.0.0.1 ansible_port=1"
	for name, c := range map[string]struct {
		host string // of the inventory
		args string // as -e takes them
		says string
	}{
		"no bundle":             {host, "kolla_mcast_bundle=DIR/absent.tgz", "DIR/absent.tgz: no such file"},
		"no program":            {host, "kolla_mcast_program=/nowhere/daisy-mcast", "no program /nowhere/daisy-mcast here: install it"},
		"no program, as it is":  {host, "kolla_mcast_program=DIR/text", "DIR/text cannot be run: Exec format error"},
		"another version":       {host, "kolla_mcast_program_version=99", "and 99 is wanted"},
		"program not pinned":    {host, "kolla_mcast_program_url=file://DIR/text kolla_mcast_program_path=DIR/p", "without kolla_mcast_program_checksum"},
		"program spoiled":       {host, "kolla_mcast_program_url=file://DIR/text kolla_mcast_program_path=DIR/p kolla_mcast_program_checksum=sha256:00", "did not match 00"},
		"bundle to nowhere":     {host, "kolla_mcast_bundle_url=file://DIR/text", "without kolla_mcast_bundle: say where"},
		"host that is not":      {host, `{"kolla_mcast_hosts":["h9"]}`, "host h9 is not in the inventory"},
		"IPv6":                  {"h1 ansible_host=fd00::1", "", "host h1: its address fd00::1 is IPv6"},
		"another connection":    {"h1 ansible_connection=winrm", "", "host h1: daisy-mcast reaches hosts by ssh, not by the connection"},
		"another become method": {"h1 ansible_become_method=su", "", "host h1: daisy-mcast becomes root by sudo, not by su"},
		"ssh argument":          {`h1 ansible_ssh_common_args="-W a:1"`, "", "host h1: the argument -W of ssh cannot be handed on"},
		"nobody there":          {host, "kolla_mcast_bundle=DIR/text", "'ssh HOST true' must work from this machine"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := write(t, map[string]string{"inventory": "[baremetal]\n" + c.host + "\n", "text": "no program\n"})
			must(t, call{args: []string{"chmod", "755", dir + "/text"}})
			fill := strings.NewReplacer("DIR", dir)
			r := run(t, call{dir: dir, args: []string{"ansible-playbook", "-i", "inventory", "daisy.kolla_mcast.deploy",
				"-e", "kolla_mcast_globals_dir=" + dir + "/globals.d kolla_mcast_control_become=false kolla_mcast_base_dir=" + dir + "/base",
				"-e", fill.Replace(c.args)}})
			if said := r.out + r.err; r.code == 0 || !strings.Contains(said, fill.Replace(c.says)) || strings.Contains(said, "exception occurred") {
				t.Errorf("exit code %d, and it does not say %q:\n%s", r.code, fill.Replace(c.says), said)
			}
		})
	}
}
