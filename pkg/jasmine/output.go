package jasmine

import (
	"io"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// An output writes whole buffers while the next one comes. Its goroutine (run)
// owns dst.
type output struct {
	dst     io.Writer
	arena   *arena
	count   *counters
	queue   chan *assembly // complete ones; closed by the client after the last
	failed  func(error)    // called once, from run
	closing sync.Once      // closes queue
	done    chan struct{}  // closed when run ends
	err     error          // valid after done
}

func newOutput(dst io.Writer, a *arena, count *counters, failed func(error)) *output {
	return &output{
		dst: dst, arena: a, count: count, failed: failed,
		// No more buffers than chunks can be under way, so sending never waits.
		queue: make(chan *assembly, arenaChunks), done: make(chan struct{}),
	}
}

// run writes until the queue is closed. After an error it writes no more.
func (o *output) run() {
	defer close(o.done)
	back := newWriteback(o.dst)
	for a := range o.queue {
		if o.err == nil {
			o.err = a.slots.writeTo(o.dst, a.sizes)
			if o.err != nil {
				o.failed(o.err)
			} else {
				o.count.bytes.Add(int64(a.info.Size))
				back.wrote(int64(a.info.Size))
			}
		}
		o.arena.put(a.slots)
	}
}

// close makes run end after what is queued; done says when.
func (o *output) close() { o.closing.Do(func() { close(o.queue) }) }

// stop ends run and reports whether it ended in time: a write can hang.
func (o *output) stop(grace time.Duration) bool {
	o.close()
	select {
	case <-o.done:
		return true
	case <-time.After(grace):
		return false
	}
}

// dirtyBytes is how much of a file may be in memory only.
const dirtyBytes = 256 << 20

// A writeback makes the kernel write a file out as it grows. Otherwise gigabytes
// stay in memory until the client's sync at the end, which would then take so
// long that the server counts the client as silent; and a slow disk would show
// only then.
type writeback struct {
	file    *os.File // nil: nothing to do
	started int64    // offset up to which writing out was begun
}

func newWriteback(dst io.Writer) *writeback {
	f, ok := dst.(*os.File)
	if !ok {
		return &writeback{}
	}
	info, err := f.Stat()
	if err != nil || !info.Mode().IsRegular() {
		return &writeback{}
	}
	at, err := f.Seek(0, io.SeekCurrent)
	if err != nil {
		return &writeback{}
	}
	return &writeback{file: f, started: at}
}

// wrote begins to write out the last n bytes, and waits for those that are
// dirtyBytes back. An error there comes back from the sync at the end.
func (b *writeback) wrote(n int64) {
	if b.file == nil || n == 0 {
		return
	}
	raw, err := b.file.SyscallConn()
	if err != nil {
		return
	}
	from := b.started
	b.started += n
	_ = raw.Control(func(fd uintptr) {
		_ = unix.SyncFileRange(int(fd), from, n, unix.SYNC_FILE_RANGE_WRITE)
		if old := from - dirtyBytes; old >= 0 {
			_ = unix.SyncFileRange(int(fd), old, n, unix.SYNC_FILE_RANGE_WAIT_BEFORE)
		}
	})
}
