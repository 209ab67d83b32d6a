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

// A Handler answers one call: body is the request's JSON, data the bytes sent
// after it (empty when there are none). An error that is or wraps an *Error
// keeps its Reason.
type Handler func(ctx context.Context, body json.RawMessage, data io.Reader) (any, error)

// Handle makes a Handler of a function with a typed request and result.
func Handle[Req, Res any](f func(context.Context, Req) (Res, error)) Handler {
	return func(ctx context.Context, body json.RawMessage, _ io.Reader) (any, error) {
		var req Req
		if err := json.Unmarshal(body, &req); err != nil {
			return nil, fmt.Errorf("decoding the request: %w", err)
		}
		return f(ctx, req)
	}
}

// A Server answers calls over one stream.
type Server struct {
	fw       frameWriter
	handlers map[string]Handler
	streams  map[uint64]*io.PipeWriter // owned by the goroutine of Serve
	wg       sync.WaitGroup
}

// NewServer makes a server that writes to w.
func NewServer(w io.Writer, handlers map[string]Handler) *Server {
	return &Server{
		fw:       frameWriter{w: w, first: preamble},
		handlers: handlers,
		streams:  make(map[uint64]*io.PipeWriter),
	}
}

// Emit sends an event with body as JSON. Safe for concurrent use. An error means
// that the connection has ended, which Serve finds out too.
func (s *Server) Emit(name string, body any) error {
	b, err := json.Marshal(body)
	if err != nil {
		return fmt.Errorf("encoding event %s: %w", name, err)
	}
	p, err := json.Marshal(event{Name: name, Body: b})
	if err != nil {
		return fmt.Errorf("encoding event %s: %w", name, err)
	}
	return s.fw.message(frameEvent, 0, p)
}

// Serve answers calls read from r until r ends or ctx is done, then cancels the
// calls that still run and waits for them. The end of r is no error.
func (s *Server) Serve(ctx context.Context, r io.Reader) error {
	ctx, cancel := context.WithCancel(ctx)
	defer s.wg.Wait()
	defer s.closeStreams()
	defer cancel()
	s.wg.Add(1)
	go func() {
		defer s.wg.Done()
		s.beats(ctx)
	}()
	frames := make(chan frame)
	ended := make(chan error, 1)
	go func() { ended <- pump(ctx, r, frames) }()
	for {
		select {
		case f := <-frames:
			if err := s.take(ctx, f); err != nil {
				return err
			}
		case err := <-ended:
			return err
		case <-ctx.Done():
			return nil
		}
	}
}

// pump moves frames from r to frames until either ends. It is left behind, in a
// blocked read, when ctx is done first: the process is about to end then.
func pump(ctx context.Context, r io.Reader, frames chan<- frame) error {
	fr := newFrameReader(r)
	for {
		f, err := fr.next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		select {
		case frames <- f:
		case <-ctx.Done():
			return nil
		}
	}
}

func (s *Server) beats(ctx context.Context) {
	t := time.NewTicker(BeatInterval)
	defer t.Stop()
	for s.Emit(beat, nil) == nil {
		select {
		case <-t.C:
		case <-ctx.Done():
			return
		}
	}
}

func (s *Server) take(ctx context.Context, f frame) error {
	switch f.typ {
	case frameRequest:
		var req request
		if err := json.Unmarshal(f.payload, &req); err != nil {
			return fmt.Errorf("%w: request: %w", ErrFormat, err)
		}
		s.start(ctx, f.call, req)
		return nil
	case frameData:
		s.data(f)
		return nil
	}
	return fmt.Errorf("%w: type %d from the calling side", ErrFormat, f.typ)
}

// data hands a piece to the call that it belongs to; a call that has ended
// without reading all of its stream gets the rest thrown away.
func (s *Server) data(f frame) {
	pw := s.streams[f.call]
	if pw == nil {
		return
	}
	_, err := pw.Write(f.payload)
	if err != nil || !f.more {
		pw.Close()
		delete(s.streams, f.call)
	}
}

func (s *Server) closeStreams() {
	for _, pw := range s.streams {
		pw.CloseWithError(io.ErrUnexpectedEOF)
	}
}

func (s *Server) start(ctx context.Context, call uint64, req request) {
	pr, pw := io.Pipe()
	s.streams[call] = pw
	s.wg.Add(1)
	go func() {
		defer s.wg.Done()
		defer pr.Close()
		res := s.answer(ctx, req, pr)
		if p, err := json.Marshal(res); err == nil {
			// An error here is the connection's end, which Serve sees.
			_ = s.fw.message(frameResponse, call, p)
		}
	}()
}

func (s *Server) answer(ctx context.Context, req request, data io.Reader) response {
	h := s.handlers[req.Method]
	if h == nil {
		return response{Error: &Error{Reason: "method", Text: fmt.Sprintf("unknown call %q", req.Method)}}
	}
	v, err := h(ctx, req.Body, data)
	if err != nil {
		return response{Error: wireError(err)}
	}
	body, err := json.Marshal(v)
	if err != nil {
		return response{Error: wireError(fmt.Errorf("encoding the answer: %w", err))}
	}
	return response{Body: body}
}

func wireError(err error) *Error {
	var e *Error
	if errors.As(err, &e) {
		return &Error{Reason: e.Reason, Text: err.Error()}
	}
	return &Error{Text: err.Error()}
}
