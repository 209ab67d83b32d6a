package cli

import (
	"io"
	"os"
	"sync"
)

// A boundedLog writes to a file that is opened for appending, and begins it anew
// whenever it has grown past limit: a process that nobody looks after must not
// fill a disk. Safe for concurrent use.
type boundedLog struct {
	mu    sync.Mutex
	file  *os.File
	limit int64 // bytes
	since int64 // bytes written since the size was looked at
}

// bounded returns w, or what bounds it: only a regular file grows.
func bounded(w io.Writer, limit int64) io.Writer {
	f, ok := w.(*os.File)
	if !ok || limit <= 0 {
		return w
	}
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		return w
	}
	return &boundedLog{file: f, limit: limit, since: limit}
}

func (l *boundedLog) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.since += int64(len(p)); l.since > l.limit/16 { // not a system call for each line
		l.since = 0
		if info, err := l.file.Stat(); err == nil && info.Size()+int64(len(p)) > l.limit {
			if err := l.file.Truncate(0); err != nil {
				return 0, err
			}
		}
	}
	return l.file.Write(p)
}
