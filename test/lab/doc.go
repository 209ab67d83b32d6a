// Package lab builds a small data centre on one Linux machine: hosts that have
// their own network, mount, PID, UTS, IPC and cgroup namespaces, joined by a
// bridge, each with an address, private writable directories, a real sshd and,
// where asked, a real dockerd on its default socket. The deploy server is one
// of the hosts.
//
// The types to know: [Lab] is the machine room, [Host] one host in it, [Switch]
// the bridge that joins them. A test calls [New], which ends the lab when the
// test ends:
//
//	l := lab.New(t, lab.Config{Hosts: []lab.HostConfig{{Name: "deploy"}, {Name: "h1"}}})
//	res := l.Host("deploy").Run(ctx, "daisy-mcast", "distribute", ...)
//
// and its TestMain calls [Main], because the first process of a host is the
// test binary itself, started again.
//
// # What a host has
//
// The machine's root file system, read only, so that its programs are there.
// On top of it, private and in memory: /etc and /usr/local as copies on write,
// /var, /run, /root, /home, /tmp, /opt, /srv and /mnt empty, /proc, /sys and
// the cgroups of its own. All of it goes with the host.
//
// # Nothing stays behind
//
// No link, mount or file of a lab is visible outside of its namespaces. They
// die with the hosts' first processes, and these end when the test binary does,
// however it ends: they hold the reading end of a pipe that it alone can write.
// What the kernel does not take away by itself - cgroup directories, and the
// temporary directory of the binary - carries a mark that names the process,
// and [Sweep], which each new lab runs first, removes those of processes that
// are gone. [Lab.Leftovers] looks for what should not be there.
//
// # Limitations
//
// There is no systemd in a host. All hosts share the kernel, its clock and the
// machine's architecture. Only root can make one.
package lab
