package e2e

import (
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestFault14SSHConnectionDies: the agent's session ends, the host is there. No
// orphan stays.
func TestFault14SSHConnectionDies(t *testing.T) {
	t.Parallel()
	f := newFleet(t, fleetConfig{Targets: 2})
	b, _, p := f.startUntil("h2", 2<<20)
	address := f.Host("h2").Addr().String()
	for _, ssh := range f.deploy.FindProcesses("ssh", address) {
		if ssh.Name == "ssh" {
			f.must(f.deploy.KillPID(ssh.PID, unix.SIGKILL))
		}
	}
	r := f.finish(p)
	f.wantLocal(r, b, f.Host("h1"))
	if got := r.host("h2").Outcome; got != "central" && got != "local" {
		t.Errorf("h2 is %q, want central, or local:\n%s", got, r.raw)
	}
	f.wantServed(f.Host("h2"), b, "")
	f.wantNoStrays(f.targets...)
}

// TestFault13HostRebootsMeanwhile: it comes back in the middle of the run. It is
// central or failed, the others are local, and the next run makes it good.
func TestFault13HostRebootsMeanwhile(t *testing.T) {
	t.Parallel()
	f := newFleet(t, fleetConfig{Targets: 2})
	b, path, p := f.startUntil("h2", 2<<20)
	f.must(f.Host("h2").Reboot(within(t, time.Minute)))
	r := f.finish(p)
	f.wantLocal(r, b, f.Host("h1"))
	if r.host("h2").Outcome == "central" {
		f.wantServed(f.Host("h2"), b, "")
	}
	f.wantNoStrays(f.targets...)

	f.wantDistributed(path, b)
}

// TestFault24RottenBlob: a byte of a host's store changes between two runs. It
// is noticed before anything is served of the set, and sent again by the run that
// notices it, to that host.
func TestFault24RottenBlob(t *testing.T) {
	t.Parallel()
	f := newFleet(t, fleetConfig{Targets: 2})
	b := smallBundle(t)
	path := f.put(b)
	f.distribute(path).wantCode(exitLocal)
	f.rot("h2", b)

	f.wantDistributed(path, b)
	f.wantServed(f.Host("h2"), b, "store")
}

// TestFault24RottenCentralBlob: a byte of a layer of an older set changes in the central
// store. The rollback to that set finds it before it is served, reads the bundle again,
// and sends nothing to hosts that have all of it.
func TestFault24RottenCentralBlob(t *testing.T) {
	t.Parallel()
	f := newFleet(t, fleetConfig{Targets: 1})
	const central = baseDir + "/central"
	older, newer := bigBundle(t), changedBigBundle(t)
	paths := make(map[string]string)
	for name, b := range map[string]bundle{"older": older, "newer": newer} {
		paths[name] = "/root/" + name + ".tgz"
		f.must(f.deploy.CopyIn(b.path, paths[name], 0o644))
	}
	f.distribute(paths["older"]).wantCode(exitLocal)
	f.distribute(paths["newer"]).wantCode(exitLocal)
	f.rotIn("deploy", central)
	f.rotAll("deploy", central, older, newer)

	r := f.wantDistributed(paths["older"], older)
	if r.report.SentBytes != 0 {
		t.Errorf("the rollback sent %d bytes", r.report.SentBytes)
	}
	f.must(f.deploy.Shell(within(t, time.Minute), "daisy-mcast registry verify --store "+central))
	r = f.wantDistributed(paths["newer"], newer)
	if r.report.SentBytes != 0 {
		t.Errorf("the way back sent %d bytes", r.report.SentBytes)
	}
	f.must(f.deploy.Shell(within(t, time.Minute), "daisy-mcast registry verify --all --store "+central))
}

// rotAll changes a byte of every blob that the first bundle has and the second has not.
func (f *fleet) rotAll(name, store string, has, hasNot bundle) {
	f.t.Helper()
	for digest := range has.blobs {
		if _, ok := hasNot.blobs[digest]; ok {
			continue
		}
		hex := strings.TrimPrefix(digest, "sha256:")
		f.flip(name, store+"/docker/registry/v2/blobs/sha256/"+hex[:2]+"/"+hex+"/data")
	}
}

// rot changes a byte in the middle of the host's largest blob.
func (f *fleet) rot(name string, _ bundle) {
	f.t.Helper()
	f.rotIn(name, storeDir)
}

func (f *fleet) rotIn(name, store string) {
	f.t.Helper()
	files, err := f.Host(name).Walk(store + "/docker/registry/v2/blobs")
	f.must(err)
	var largest string
	for path, size := range files {
		if largest == "" || size > files[largest] {
			largest = path
		}
	}
	f.flip(name, largest)
}

// flip changes a byte in the middle of a file.
func (f *fleet) flip(name, path string) {
	f.t.Helper()
	data, err := f.Host(name).ReadFile(path)
	f.must(err)
	data[len(data)/2] ^= 1
	f.must(f.Host(name).WriteFile(path, data, 0o644))
}

// TestFault76OutputsThatFail: what is printed cannot be written; the work is
// done all the same.
func TestFault76OutputsThatFail(t *testing.T) {
	t.Parallel()
	for name, redirect := range map[string]string{
		"Full":   ">/dev/full 2>/dev/full",
		"Closed": ">&- 2>&-",
		"NoPipe": "2>&1 | true",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFleet(t, fleetConfig{Targets: 1})
			b := smallBundle(t)
			line := shellQuote(f.command(f.put(b)))
			r := f.deploy.Run(within(t, runTimeout+runSlack), "sh", "-c", line+" "+redirect)
			if r.Err != nil {
				t.Fatal(r)
			}
			f.wantServed(f.targets[0], b, "store")
			f.wantNoStrays(f.targets...)
		})
	}
}

// shellQuote writes a command for a shell.
func shellQuote(args []string) string {
	quoted := make([]string, len(args))
	for i, a := range args {
		quoted[i] = "'" + strings.ReplaceAll(a, "'", `'\''`) + "'"
	}
	return strings.Join(quoted, " ")
}

// TestR9ListThatCannotBeTaken: a host with not a byte left cannot take the new
// set's list. It would go on answering with old tags, so it has failed.
func TestR9ListThatCannotBeTaken(t *testing.T) {
	t.Parallel()
	f := newFleet(t, fleetConfig{Targets: 2, Disks: map[string]string{"h2": diskWithRoom(t, 128)}})
	f.distribute(f.put(smallBundle(t))).wantCode(exitLocal)
	f.must(f.Host("h2").FillDisk(baseDir, 0))
	b := changedBundle(t)
	r := f.distribute(f.put(b))
	r.wantCode(exitFailed)
	r.want("h2", "failed", "stale")
	f.wantLocal(r, b, f.Host("h1"))
}
