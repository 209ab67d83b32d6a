package main

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"
)

// A watch looks at the program's processes in a fleet while something runs: their
// processor time and the most memory that each had. What ends between two looks is
// counted as it was last seen.
type watch struct {
	begun  time.Time
	busy   time.Duration
	sender string          // network namespace of the deploy server
	hosts  map[string]bool // those of the fleet: others run the program too
	quit   chan struct{}
	wg     sync.WaitGroup

	// By pid; the loop's alone until it has ended.
	seen  map[int]watched
	alien map[int]bool // older than the watch, and nothing of the fleet's
}

type watched struct {
	usage
	before time.Duration // processor time when it was first seen
	host   string        // its network namespace
}

// watchInterval is between two looks: short against what is measured, and cheap.
const watchInterval = 100 * time.Millisecond

// newWatch begins one of the hosts in these network namespaces.
func newWatch(sender string, targets []string) *watch {
	w := &watch{begun: time.Now(), busy: busyTime(), sender: sender, hosts: map[string]bool{sender: true},
		quit: make(chan struct{}), seen: make(map[int]watched), alien: make(map[int]bool)}
	for _, t := range targets {
		w.hosts[t] = true
	}
	w.wg.Go(w.loop)
	return w
}

func (w *watch) loop() {
	tick := time.NewTicker(watchInterval)
	defer tick.Stop()
	for {
		w.look()
		select {
		case <-w.quit:
			return
		case <-tick.C:
		}
	}
}

// look reads /proc once.
func (w *watch) look() {
	dirs, _ := filepath.Glob("/proc/[0-9]*")
	for _, dir := range dirs {
		pid, _ := strconv.Atoi(filepath.Base(dir))
		if w.alien[pid] {
			continue
		}
		host, _ := os.Readlink(filepath.Join(dir, "ns/net"))
		if !w.hosts[host] {
			w.alien[pid] = w.isOlder(dir)
			continue
		}
		if name, _ := os.ReadFile(filepath.Join(dir, "comm")); !strings.HasPrefix(string(name), "daisy-mcast") {
			continue
		}
		p, known := w.seen[pid]
		cpu := processTime(dir)
		if !known {
			p.host = host
			if w.isOlder(dir) {
				p.before = cpu
			}
		}
		p.cpu, p.memory = max(p.cpu, cpu), max(p.memory, peakMemory(dir))
		w.seen[pid] = p
	}
}

// isOlder reports whether a process is older than the watch.
func (w *watch) isOlder(dir string) bool {
	info, err := os.Stat(dir)
	return err == nil && info.ModTime().Before(w.begun)
}

// stop ends it and sums up: the sender's side, and an average target's.
func (w *watch) stop() (m measure) {
	close(w.quit)
	w.wg.Wait()
	targets := make(map[string]bool)
	var all time.Duration
	for _, p := range w.seen {
		cpu := p.cpu - p.before
		all += cpu
		if p.host == w.sender {
			m.sender.cpu += cpu
			m.sender.memory = max(m.sender.memory, p.memory)
			continue
		}
		targets[p.host] = true
		m.receivers.cpu += cpu
		m.receivers.memory = max(m.receivers.memory, p.memory)
	}
	if n := len(targets); n > 0 {
		m.receivers.cpu /= time.Duration(n)
	}
	m.others = max((busyTime()-w.busy-all).Seconds(), 0) / time.Since(w.begun).Seconds()
	return m
}

// processTime is the user and system time of a process.
func processTime(dir string) time.Duration {
	stat, _ := os.ReadFile(filepath.Join(dir, "stat"))
	_, rest, _ := strings.Cut(string(stat), ") ")
	f := strings.Fields(rest)
	const user, system = 11, 12 // fields 14 and 15, counted from behind the name
	if len(f) <= system {
		return 0
	}
	a, _ := strconv.ParseInt(f[user], 10, 64)
	b, _ := strconv.ParseInt(f[system], 10, 64)
	return time.Duration(a+b) * tick
}

// peakMemory is the most that a process had in memory of its own: a store on tmpfs
// that it reads is not counted, as a page cache is not.
func peakMemory(dir string) int64 {
	status, _ := os.ReadFile(filepath.Join(dir, "status"))
	var peak int64
	for l := range strings.Lines(string(status)) {
		name, value, _ := strings.Cut(l, ":")
		if f := strings.Fields(value); name == "VmHWM" && len(f) > 0 {
			kib, _ := strconv.ParseInt(f[0], 10, 64)
			peak = kib << 10
		}
	}
	return peak
}
