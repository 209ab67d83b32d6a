package e2e

import (
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestFault26TooFewInodes: a host's disk has bytes, and no room for so many files. That
// is seen before anything is sent; with more of them the next run completes it.
func TestFault26TooFewInodes(t *testing.T) {
	t.Parallel()
	f := newFleet(t, fleetConfig{Targets: 2, Disks: map[string]string{"h2": "1g,nr_inodes=150"}})
	b := smallBundle(t)
	path := f.put(b)
	r := f.distribute(path)
	r.wantCode(exitCentral)
	r.want("h2", "central", "inodes")
	f.wantLocal(r, b, f.Host("h1"))
	f.wantServed(f.Host("h2"), b, "")
	f.must(f.Host("h2").Shell(within(t, time.Minute), "mount -o remount,nr_inodes=10000 "+baseDir))
	f.wantDistributed(path, b)
}

// TestFault69TagPointsElsewhere: in the store of one host a tag leads to the manifest of
// an older set, whole and well formed. What is served of the set is its own manifest all
// the same, and the next run puts the tag right for every other registry over that store.
func TestFault69TagPointsElsewhere(t *testing.T) {
	t.Parallel()
	f := newFleet(t, fleetConfig{Targets: 2})
	older, newer := smallBundle(t), changedBundle(t)
	f.must(f.deploy.CopyIn(older.path, "/root/older.tgz", 0o644))
	f.must(f.deploy.CopyIn(newer.path, "/root/newer.tgz", 0o644))
	f.distribute("/root/older.tgz").wantCode(exitLocal)
	f.distribute("/root/newer.tgz").wantCode(exitLocal)
	h := f.Host("h2")
	moved := 0
	for ref, digest := range newer.tags {
		was := older.tags[ref]
		if was == "" || was == digest {
			continue
		}
		repo, tag, _ := strings.Cut(ref, ":")
		link := storeDir + "/docker/registry/v2/repositories/" + repo + "/_manifests/tags/" + tag + "/current/link"
		f.must(h.WriteFile(link, []byte(was), 0o644))
		moved++
		defer func() {
			if now, err := h.ReadFile(link); err != nil || strings.TrimSpace(string(now)) != digest {
				t.Errorf("%s leads to %s, want %s (%v)", ref, now, digest, err)
			}
		}()
	}
	if moved == 0 {
		t.Fatal("the bundles have the same manifests")
	}
	f.wantServed(h, newer, "store")
	f.wantDistributed("/root/newer.tgz", newer)
}

// TestFault69ManifestIsAnother: what lies under a manifest's digest is another image's
// manifest. It is not served, and the run that finds it brings the right one.
func TestFault69ManifestIsAnother(t *testing.T) {
	t.Parallel()
	f := newFleet(t, fleetConfig{Targets: 2})
	b := smallBundle(t)
	path := f.put(b)
	f.distribute(path).wantCode(exitLocal)
	var digests []string
	for _, d := range b.tags {
		digests = append(digests, strings.TrimPrefix(d, "sha256:"))
	}
	blob := func(hex string) string {
		return storeDir + "/docker/registry/v2/blobs/sha256/" + hex[:2] + "/" + hex + "/data"
	}
	h := f.Host("h2")
	f.must(h.Shell(within(t, time.Minute), "cp "+blob(digests[0])+" "+blob(digests[1])))
	r := f.distribute(path)
	r.wantCode(exitLocal)
	f.wantLocal(r, b, f.targets...)
	if r.report.SentBytes == 0 {
		t.Error("nothing was sent: the manifest was believed")
	}
}

// TestFault72RegistryDiesMeanwhile: a host's registry, which was proven to run before the
// sending, is gone after it. That host has failed, whatever its store holds; the next
// run starts it again and sends nothing.
func TestFault72RegistryDiesMeanwhile(t *testing.T) {
	t.Parallel()
	f := newFleet(t, fleetConfig{Targets: 2})
	b, path, p := f.startUntil("h2", 2<<20)
	found := f.Host("h2").FindProcesses("registry", "serve")
	if len(found) != 1 {
		t.Fatalf("registries of h2: %v", found)
	}
	f.must(f.Host("h2").KillPID(found[0].PID, unix.SIGKILL))
	r := f.finish(p)
	r.wantCode(exitFailed)
	r.want("h2", "failed", "registry")
	f.wantLocal(r, b, f.Host("h1"))
	f.wantNoStrays(f.targets...)
	if r := f.wantDistributed(path, b); r.report.SentBytes != 0 {
		t.Errorf("%d bytes were sent to a host that has them", r.report.SentBytes)
	}
}
