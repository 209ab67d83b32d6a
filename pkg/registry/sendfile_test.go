package registry

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// connected returns both ends of a connection that a limited listener took.
func connected(t *testing.T) (server, client net.Conn) {
	t.Helper()
	l, err := listenOn(t.Context(), "127.0.0.1:0", true)
	check(t, err)
	t.Cleanup(func() { l.Close() })
	client, err = net.Dial("tcp", l.Addr().String())
	check(t, err)
	t.Cleanup(func() { client.Close() })
	server, err = l.Accept()
	check(t, err)
	t.Cleanup(func() { server.Close() })
	return server, client
}

func fileOf(t *testing.T, content []byte) *os.File {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file")
	check(t, os.WriteFile(path, content, 0o600))
	f, err := os.Open(path)
	check(t, err)
	t.Cleanup(func() { f.Close() })
	return f
}

// A part of a file goes out from where the file stands, to clients that are slower
// than the file as well.
func TestSendFileSendsItsPart(t *testing.T) {
	content := bytes.Repeat([]byte("0123456789abcdef"), 3*sendStep/16)
	server, client := connected(t)
	f := fileOf(t, content)
	_, err := f.Seek(7, io.SeekStart)
	check(t, err)
	const n = 2*sendStep + 12345
	sent := make(chan error, 1)
	go func() {
		part := &io.LimitedReader{R: f, N: n}
		got, err := server.(io.ReaderFrom).ReadFrom(part)
		if got != n || part.N != 0 {
			t.Errorf("sent %d bytes and left %d, want %d and none", got, part.N, n)
		}
		sent <- errors.Join(err, server.Close())
	}()
	time.Sleep(20 * pollTime * time.Millisecond) // the buffers are full, and nobody polls any more
	got, err := io.ReadAll(client)
	check(t, err)
	check(t, <-sent)
	if !bytes.Equal(got, content[7:7+n]) {
		t.Errorf("got %d other bytes", len(got))
	}
}

// A file that is shorter than it was ends the sending without an error, with what
// is left over said.
func TestSendFileOfAShorterFile(t *testing.T) {
	server, client := connected(t)
	part := &io.LimitedReader{R: fileOf(t, []byte("short")), N: 100}
	n, err := server.(io.ReaderFrom).ReadFrom(part)
	check(t, err)
	if n != 5 || part.N != 95 {
		t.Errorf("sent %d, left %d", n, part.N)
	}
	server.Close()
	if got, err := io.ReadAll(client); err != nil || string(got) != "short" {
		t.Errorf("got %q, %v", got, err)
	}
}

// A client that has stopped is given up at the deadline, and one that is gone at
// once.
func TestSendFileEndsWithItsClient(t *testing.T) {
	content := make([]byte, 64<<20) // more than the buffers of both ends
	server, _ := connected(t)
	check(t, server.SetWriteDeadline(time.Now().Add(100*time.Millisecond)))
	_, err := server.(io.ReaderFrom).ReadFrom(&io.LimitedReader{R: fileOf(t, content), N: int64(len(content))})
	if !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("got %v, want the deadline", err)
	}
	server, client := connected(t)
	time.AfterFunc(20*time.Millisecond, func() { client.Close() })
	if _, err := server.(io.ReaderFrom).ReadFrom(&io.LimitedReader{R: fileOf(t, content), N: int64(len(content))}); err == nil {
		t.Error("all was sent to a client that is gone")
	}
}

// What is no file goes the standard library's way.
func TestSendFileOfSomethingElse(t *testing.T) {
	server, client := connected(t)
	n, err := server.(io.ReaderFrom).ReadFrom(&io.LimitedReader{R: bytes.NewReader([]byte("bytes")), N: 3})
	check(t, err)
	server.Close()
	if got, err := io.ReadAll(client); err != nil || n != 3 || string(got) != "byt" {
		t.Errorf("got %q, %d, %v", got, n, err)
	}
}
