package lab

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// clockTick is the unit of /proc/stat: USER_HZ is 100 on every machine that we run on.
const clockTick = 10 * time.Millisecond

// usage is how much processor time had been used by some moment.
type usage struct {
	at  time.Time
	all time.Duration // by programs of the whole machine, and by other machines on its host
	own time.Duration // by programs of the lab, and by this process
}

// Others measures, until stop, how many processors were at work for others than the
// lab's hosts and this process, on average: a time that was measured meanwhile tells of
// them too. What the kernel does, for whomever, is not counted. known is false where a
// machine does not say whose time is whose.
func (l *Lab) Others() (stop func() (processors float64, known bool)) {
	a, err := l.usage()
	return func() (float64, bool) {
		b, errAfter := l.usage()
		if err != nil || errAfter != nil {
			return 0, false
		}
		others := (b.all - a.all) - (b.own - a.own)
		return max(others.Seconds()/b.at.Sub(a.at).Seconds(), 0), true
	}
}

func (l *Lab) usage() (u usage, err error) {
	u.at = time.Now()
	stat, err := os.ReadFile("/proc/stat")
	if err != nil {
		return u, err
	}
	if u.all, err = programTime(string(stat)); err != nil {
		return u, err
	}
	var self unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &self); err != nil {
		return u, err
	}
	hosts, err := cgroupTime(l.cgroups)
	u.own = hosts + time.Duration(self.Utime.Nano())
	return u, err
}

// programTime returns user, nice and steal of /proc/stat (proc_stat(5)).
func programTime(stat string) (time.Duration, error) {
	first, _, _ := strings.Cut(stat, "\n")
	f := strings.Fields(first)
	if len(f) < 9 || f[0] != "cpu" {
		return 0, fmt.Errorf("/proc/stat begins with %q", first)
	}
	return clockTick * time.Duration(number64(f[1])+number64(f[2])+number64(f[8])), nil
}

// cgroupTime returns what the programs in a lab's cgroups have used: these are one for
// each hierarchy, and the first that counts is asked.
func cgroupTime(dirs []string) (time.Duration, error) {
	for _, dir := range dirs {
		if text, err := os.ReadFile(filepath.Join(dir, "cpuacct.usage_user")); err == nil {
			return time.Duration(number64(strings.TrimSpace(string(text)))), nil
		}
		text, err := os.ReadFile(filepath.Join(dir, "cpu.stat"))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return 0, err
		}
		for line := range strings.Lines(string(text)) {
			if f := strings.Fields(line); len(f) == 2 && f[0] == "user_usec" {
				return time.Duration(number64(f[1])) * time.Microsecond, nil
			}
		}
	}
	return 0, errors.New("no cgroup counts the time that its programs use")
}
