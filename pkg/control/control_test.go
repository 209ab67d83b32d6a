package control

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

type echo struct {
	Text string `json:"text"`
	Data int    `json:"data"`
}

// pair joins a client to a server with handlers and ends both with the test.
func pair(t *testing.T, handlers map[string]Handler, onEvent func(string, json.RawMessage)) (*Client, *Server) {
	t.Helper()
	toServer, fromClient := io.Pipe()
	toClient, fromServer := io.Pipe()
	s := NewServer(fromServer, handlers)
	served := make(chan error, 1)
	go func() {
		served <- s.Serve(t.Context(), toServer)
		fromServer.Close()
	}()
	c := NewClient(toClient, fromClient, onEvent)
	t.Cleanup(func() {
		fromClient.Close()
		if err := <-served; err != nil {
			t.Errorf("Serve: %v", err)
		}
		<-c.Done()
	})
	return c, s
}

func TestCallAnswersAndKeepsReason(t *testing.T) {
	c, _ := pair(t, map[string]Handler{
		"echo": Handle(func(_ context.Context, e echo) (echo, error) { return e, nil }),
		"fail": Handle(func(context.Context, echo) (echo, error) {
			return echo{}, &Error{Reason: "disk", Text: "no space"}
		}),
	}, nil)
	var got echo
	long := strings.Repeat("x", 3*MaxFrame) // a message of several frames, both ways
	if err := c.Call(t.Context(), "echo", echo{Text: long}, &got); err != nil || got.Text != long {
		t.Fatalf("echo: %d bytes, %v", len(got.Text), err)
	}
	var e *Error
	if err := c.Call(t.Context(), "fail", echo{}, nil); !errors.As(err, &e) || e.Reason != "disk" {
		t.Fatalf("fail: got %v, want reason disk", err)
	}
	if err := c.Call(t.Context(), "nothing", echo{}, nil); !errors.As(err, &e) || e.Reason != "method" {
		t.Fatalf("nothing: got %v, want reason method", err)
	}
}

func TestCallStreamCarriesData(t *testing.T) {
	for _, size := range []int{0, 1, MaxFrame - frameHead, 2*MaxFrame + 7} {
		c, _ := pair(t, map[string]Handler{
			"count": func(_ context.Context, _ json.RawMessage, data io.Reader) (any, error) {
				n, err := io.Copy(io.Discard, data)
				return echo{Data: int(n)}, err
			},
			"ignore": func(context.Context, json.RawMessage, io.Reader) (any, error) { return echo{}, nil },
		}, nil)
		var got echo
		data := func() io.Reader { return bytes.NewReader(make([]byte, size)) }
		if err := c.CallStream(t.Context(), "count", echo{}, data(), &got); err != nil || got.Data != size {
			t.Errorf("count of %d bytes: got %d, %v", size, got.Data, err)
		}
		if err := c.CallStream(t.Context(), "ignore", echo{}, data(), nil); err != nil {
			t.Errorf("ignore of %d bytes: %v", size, err)
		}
	}
}

func TestEventsArriveInOrder(t *testing.T) {
	names := make(chan string, 2)
	c, s := pair(t, map[string]Handler{}, func(name string, _ json.RawMessage) { names <- name })
	for _, n := range []string{"one", "two"} {
		if err := s.Emit(n, nil); err != nil {
			t.Fatal(err)
		}
	}
	if a, b := <-names, <-names; a != "one" || b != "two" {
		t.Errorf("got %s, %s", a, b)
	}
	if c.Err() != nil {
		t.Error(c.Err())
	}
}

func TestBeatsKeepABusyPeerAndSilenceEndsAFrozenOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		toServer, fromClient := io.Pipe()
		toClient, fromServer := io.Pipe()
		release := make(chan struct{})
		s := NewServer(fromServer, map[string]Handler{
			"slow": Handle(func(context.Context, echo) (echo, error) { <-release; return echo{}, nil }),
		})
		go func() { _ = s.Serve(t.Context(), toServer); fromServer.Close() }()
		c := NewClient(toClient, fromClient, nil)
		go func() { time.Sleep(10 * SilenceLimit); close(release) }()
		if err := c.Call(t.Context(), "slow", echo{}, nil); err != nil {
			t.Errorf("a busy peer: %v", err)
		}
		fromClient.Close()
		<-c.Done()

		said, saying := io.Pipe()
		frozen := NewClient(io.MultiReader(strings.NewReader(preamble), said), io.Discard, nil)
		start := time.Now()
		err := frozen.Call(t.Context(), "echo", echo{}, nil)
		if !errors.Is(err, ErrSilent) || time.Since(start) != SilenceLimit {
			t.Errorf("a frozen peer: %v after %v", err, time.Since(start))
		}
		saying.Close()
	})
}

func TestFault52FrameBounds(t *testing.T) {
	head := func(n uint32, typ byte) string {
		b := make([]byte, 4+frameHead)
		binary.BigEndian.PutUint32(b, n)
		b[4] = typ
		return string(b)
	}
	for name, in := range map[string]string{
		"length 2^32-1": head(1<<32-1, 2),
		"length 0":      head(0, 2),
		"over MaxFrame": head(MaxFrame+1, 2),
		"type 0":        head(frameHead, 0),
		"type 9":        head(frameHead, 9),
		"cut":           head(frameHead+5, 2) + "ab",
		"a request":     head(frameHead, 1),
		"bad JSON":      head(frameHead+1, 3) + "{",
	} {
		c := NewClient(strings.NewReader(preamble+in), io.Discard, nil)
		<-c.Done()
		if !errors.Is(c.Err(), ErrFormat) {
			t.Errorf("%s: got %v, want ErrFormat", name, c.Err())
		}
	}
	c := NewClient(strings.NewReader("DMCTRL\x00\x07"), io.Discard, nil)
	if <-c.Done(); !errors.Is(c.Err(), ErrVersion) {
		t.Errorf("another version: %v", c.Err())
	}
}

func TestEndOfInputCancelsCalls(t *testing.T) {
	toServer, fromClient := io.Pipe()
	started := make(chan struct{})
	s := NewServer(io.Discard, map[string]Handler{
		"wait": Handle(func(ctx context.Context, _ echo) (echo, error) {
			close(started)
			<-ctx.Done()
			return echo{}, ctx.Err()
		}),
	})
	served := make(chan error, 1)
	go func() { served <- s.Serve(t.Context(), toServer) }()
	c := NewClient(strings.NewReader(preamble), fromClient, nil)
	go c.Call(t.Context(), "wait", echo{}, nil)
	<-started
	fromClient.Close()
	if err := <-served; err != nil {
		t.Errorf("Serve: %v", err)
	}
}

func FuzzFrameReader(f *testing.F) {
	var buf bytes.Buffer
	fw := frameWriter{w: &buf}
	_ = fw.message(frameRequest, 1, []byte(`{"method":"x"}`))
	_ = fw.data(1, []byte("abc"), false)
	f.Add(buf.Bytes())
	f.Add([]byte{0xff, 0xff, 0xff, 0xff, 1, 1})
	f.Fuzz(func(t *testing.T, b []byte) {
		fr := newFrameReader(bytes.NewReader(b))
		for {
			fm, err := fr.next()
			if err != nil {
				return
			}
			if len(fm.payload) > len(b) {
				t.Fatalf("a payload of %d bytes from %d", len(fm.payload), len(b))
			}
		}
	})
}
