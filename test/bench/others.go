package main

import (
	"os"
	"strconv"
	"strings"
	"time"
)

// tick is the unit of /proc/stat (USER_HZ), the same on every architecture that
// Go runs on.
const tick = time.Second / 100

// busyTime is the time that all cores of this machine have worked, for anybody.
func busyTime() time.Duration {
	stat, _ := os.ReadFile("/proc/stat")
	return parseBusy(string(stat))
}

// parseBusy adds up the first line of /proc/stat: user, nice, system, and after
// idle and iowait the interrupts and what other virtual machines took.
func parseBusy(stat string) (busy time.Duration) {
	first, _, _ := strings.Cut(stat, "\n")
	for i, f := range strings.Fields(first) {
		const idle, iowait, last = 4, 5, 8
		if i == 0 || i == idle || i == iowait || i > last {
			continue
		}
		n, err := strconv.ParseInt(f, 10, 64)
		if err != nil {
			return 0
		}
		busy += time.Duration(n) * tick
	}
	return busy
}

// othersSince tells how many cores worked for others during a transfer to some
// hosts: what is missing in its figures.
func (s sample) othersSince(busy, took time.Duration, hosts int) float64 {
	own := s.sender.cpu + time.Duration(hosts)*s.receivers.cpu
	return max((busy-own).Seconds(), 0) / took.Seconds()
}
