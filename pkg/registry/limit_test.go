package registry

import (
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"time"
)

// What net/http looks for when it hands a file to the kernel has to be there.
func TestLimitedConnectionsReachSendfile(t *testing.T) {
	l, err := listenOn(t.Context(), "127.0.0.1:0", true)
	check(t, err)
	defer l.Close()
	client, err := net.Dial("tcp", l.Addr().String())
	check(t, err)
	defer client.Close()
	c, err := l.Accept()
	check(t, err)
	defer c.Close()
	if _, ok := c.(io.ReaderFrom); !ok {
		t.Errorf("a %T has no ReadFrom: blobs go through this process", c)
	}
}

// The kernel sends a stored blob: this process reads less of it than a tenth. What
// it reads at all is counted by the kernel, in /proc/self/io.
func TestBlobsAreSentByTheKernel(t *testing.T) {
	const size = 16 << 20
	f := newFixture(t)
	layer := f.big("kolla/a", "1", size)
	h := New(Config{Store: f.whole()})
	l, err := listenOn(t.Context(), "127.0.0.1:0", true)
	check(t, err)
	server := newServer(t.Context(), h, nil)
	go server.Serve(l)
	defer server.Close()
	client, err := net.Dial("tcp", l.Addr().String())
	check(t, err)
	defer client.Close()
	_, err = io.WriteString(client, "GET /v2/kolla/a/blobs/"+string(layer.Digest)+" HTTP/1.0\r\n\r\n")
	check(t, err)
	before := written(t)
	n, err := io.Copy(io.Discard, client)
	check(t, err)
	if n < size {
		t.Errorf("got %d bytes", n)
	}
	// write(2) of 32 KiB each would be 512 calls; sendfile is none of them.
	if calls := written(t) - before; calls > 100 {
		t.Errorf("%d writes for one blob: it was copied through this process", calls)
	}
}

// written returns how often this process has called write(2) and its kin.
func written(t *testing.T) int64 {
	t.Helper()
	raw, err := os.ReadFile("/proc/self/io")
	check(t, err)
	_, rest, ok := strings.Cut(string(raw), "syscw: ")
	if !ok {
		t.Skip("this kernel counts no system calls")
	}
	var n int64
	for _, c := range rest {
		if c < '0' || c > '9' {
			break
		}
		n = 10*n + int64(c-'0')
	}
	return n
}

// One connection more than there are places waits until one is closed, and ends
// with the listener.
func TestLimitCountsConnections(t *testing.T) {
	tcp, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	check(t, err)
	l := limit(tcp, 1)
	accepted := make(chan net.Conn, 3)
	ended := make(chan error, 1)
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				ended <- err
				return
			}
			accepted <- c
		}
	}()
	for range 2 {
		c, err := net.Dial("tcp", l.Addr().String())
		check(t, err)
		defer c.Close()
	}
	first := <-accepted
	select {
	case <-accepted:
		t.Fatal("a second one beside the first")
	case <-time.After(30 * time.Millisecond):
	}
	first.Close()
	first.Close() // gives one place back
	<-accepted    // the second one's is not given back
	l.Close()
	if err := <-ended; !errors.Is(err, net.ErrClosed) {
		t.Errorf("got %v, want that it was closed", err)
	}
}
