package control

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"
)

// Timers of the control connection.
const (
	// BeatInterval is the time between two beats of the answering side.
	BeatInterval = 2 * time.Second
	// SilenceLimit is how long a peer may say nothing before it counts as
	// gone: five beats, so that a host under load is not given up.
	SilenceLimit = 10 * time.Second
)

// ErrClosed is returned by calls when the connection has ended in order.
var ErrClosed = errors.New("control: connection closed")

// ErrSilent is returned by calls when the peer has sent nothing, not even a
// beat, for SilenceLimit.
var ErrSilent = errors.New("control: no sign of life")

// An Error is what the answering side gave instead of a result.
type Error struct {
	Reason string `json:"reason"` // a short, stable word; "" when there is none
	Text   string `json:"text"`
}

func (e *Error) Error() string { return e.Text }

type request struct {
	Method string          `json:"method"`
	Body   json.RawMessage `json:"body,omitempty"`
}

type response struct {
	Body  json.RawMessage `json:"body,omitempty"`
	Error *Error          `json:"error,omitempty"`
}

type event struct {
	Name string          `json:"name"`
	Body json.RawMessage `json:"body,omitempty"`
}

const beat = "beat"

// A Client makes calls over a stream. Safe for concurrent use.
type Client struct {
	fw      frameWriter
	onEvent func(name string, body json.RawMessage)
	done    chan struct{} // closed by run at its end

	mu    sync.Mutex
	next  uint64
	calls map[uint64]chan response // each with room for its one response
	err   error                    // why the connection ended
}

// NewClient starts a client which reads from r and writes to w. Events are
// handed to onEvent one after the other; it must not block. The client ends
// when r does; the caller closes the stream, also after [Client.Done].
func NewClient(r io.Reader, w io.Writer, onEvent func(name string, body json.RawMessage)) *Client {
	c := &Client{
		fw:      frameWriter{w: w},
		onEvent: onEvent,
		done:    make(chan struct{}),
		calls:   make(map[uint64]chan response),
	}
	go c.run(r)
	return c
}

// Done is closed when the connection has ended; Err then says why.
func (c *Client) Done() <-chan struct{} { return c.done }

// Err returns why the connection ended, nil while it has not.
func (c *Client) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}

// run ends with the stream, or when nothing was heard for SilenceLimit.
func (c *Client) run(r io.Reader) {
	silence := time.AfterFunc(SilenceLimit, func() { c.end(ErrSilent) })
	defer silence.Stop()
	fr := newFrameReader(r)
	err := fr.preamble()
	for err == nil {
		silence.Reset(SilenceLimit)
		var f frame
		if f, err = fr.next(); err == nil {
			err = c.take(f)
		}
	}
	if errors.Is(err, io.EOF) {
		err = ErrClosed
	}
	c.end(err)
}

func (c *Client) end(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil {
		return
	}
	c.err = err
	close(c.done)
}

func (c *Client) take(f frame) error {
	switch f.typ {
	case frameEvent:
		var e event
		if err := json.Unmarshal(f.payload, &e); err != nil {
			return fmt.Errorf("%w: event: %w", ErrFormat, err)
		}
		if e.Name != beat && c.onEvent != nil {
			c.onEvent(e.Name, e.Body)
		}
		return nil
	case frameResponse:
		var res response
		if err := json.Unmarshal(f.payload, &res); err != nil {
			return fmt.Errorf("%w: response: %w", ErrFormat, err)
		}
		c.mu.Lock()
		ch := c.calls[f.call]
		delete(c.calls, f.call)
		c.mu.Unlock()
		if ch != nil {
			ch <- res
		}
		return nil
	}
	return fmt.Errorf("%w: type %d from the answering side", ErrFormat, f.typ)
}

// Call calls method with req and stores its result in res, which may be nil.
// The error is an *Error when the other side gave one.
func (c *Client) Call(ctx context.Context, method string, req, res any) error {
	return c.CallStream(ctx, method, req, nil, res)
}

// CallStream is Call with the bytes of data sent after the request.
func (c *Client) CallStream(ctx context.Context, method string, req any, data io.Reader, res any) error {
	e, err := Encode(method, req)
	if err != nil {
		return err
	}
	return c.call(ctx, e, data, res)
}

// An Encoded is a request that many clients can send: a large one is then in memory
// once, whatever their number. It is not changed.
type Encoded struct {
	method  string
	payload []byte
}

// Encode makes a call's request.
func Encode(method string, req any) (Encoded, error) {
	body, err := json.Marshal(req)
	if err != nil {
		return Encoded{}, fmt.Errorf("encoding a %s request: %w", method, err)
	}
	payload, err := json.Marshal(request{Method: method, Body: body})
	if err != nil {
		return Encoded{}, fmt.Errorf("encoding a %s request: %w", method, err)
	}
	return Encoded{method, payload}, nil
}

// CallEncoded is Call with a request that is encoded already.
func (c *Client) CallEncoded(ctx context.Context, e Encoded, res any) error {
	return c.call(ctx, e, nil, res)
}

func (c *Client) call(ctx context.Context, e Encoded, data io.Reader, res any) error {
	method := e.method
	id, answer := c.register()
	defer c.forget(id)
	sent := make(chan error, 1)
	go func() { sent <- c.send(ctx, id, e.payload, data) }()
	for {
		select {
		case err := <-sent:
			if err != nil && c.Err() == nil {
				return fmt.Errorf("sending a %s request: %w", method, err)
			}
			sent = nil
		case r := <-answer:
			return r.decode(method, res)
		case <-c.done:
			return c.Err()
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

func (c *Client) register() (uint64, chan response) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.next++
	answer := make(chan response, 1)
	c.calls[c.next] = answer
	return c.next, answer
}

func (c *Client) forget(id uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.calls, id)
}

func (c *Client) send(ctx context.Context, id uint64, payload []byte, data io.Reader) error {
	if err := c.fw.message(frameRequest, id, payload); err != nil || data == nil {
		return err
	}
	buf := make([]byte, MaxFrame-frameHead)
	for {
		n, err := io.ReadFull(data, buf)
		if werr := c.fw.data(id, buf[:n], err == nil); werr != nil {
			return werr
		}
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
}

func (r response) decode(method string, res any) error {
	if r.Error != nil {
		return r.Error
	}
	if res == nil {
		return nil
	}
	if err := json.Unmarshal(r.Body, res); err != nil {
		return fmt.Errorf("decoding the answer to %s: %w", method, err)
	}
	return nil
}
