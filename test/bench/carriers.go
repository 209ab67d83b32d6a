package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"
)

// The carriers.

func tcp() carrier       { return carrier{carry: sendTCP, writes: true} }
func daisys() carrier    { return carrier{carry: sendDaisys, writes: true} }
func native() carrier    { return carrier{carry: sendNative, writes: true} }
func bare() carrier      { return carrier{carry: sendBare} }
func simulated() carrier { return carrier{carry: simulate} }

// sendTCP sends one stream to receiver 1.
func sendTCP(ctx context.Context, st *stage, _ shot) (sample, error) {
	var c cast
	err := func() error {
		to := addr(1) + ":5001"
		if err := c.receiver(ctx, st, 1, nil, st.tools.self, tcpCommand, "receive", to); err != nil {
			return err
		}
		return c.send(ctx, st, st.file, nil, st.tools.self, tcpCommand, "send", to)
	}()
	return c.end(st, err)
}

// sendDaisys sends by the protocol that Daisy has.
func sendDaisys(ctx context.Context, st *stage, s shot) (sample, error) {
	var c cast
	err := func() error {
		err := c.send(ctx, st, st.file, nil, st.tools.program, "server", addr(0), strconv.Itoa(s.hosts))
		for i := 1; i <= s.hosts && err == nil; i++ {
			err = c.receiver(ctx, st, i, nil, st.tools.program, "client", addr(i), addr(0))
		}
		return err
	}()
	return c.end(st, err)
}

// sendNative sends by our own protocol. The receivers run and wait for the token on
// standard input, as they do over ssh.
func sendNative(ctx context.Context, st *stage, s shot) (sample, error) {
	var c cast
	err := func() error {
		tokens, err := c.waiting(ctx, st, s.hosts)
		if err != nil {
			return err
		}
		defer closeAll(tokens)
		read, write := io.Pipe()
		defer read.Close()
		if err := c.send(ctx, st, "", write, st.tools.program, "send", "--quiet", "--local-ip", addr(0),
			"--receivers", strconv.Itoa(s.hosts), st.file); err != nil {
			return err
		}
		go func() { <-c.sender.done; write.Close() }()
		token, err := bufio.NewReader(read).ReadString('\n')
		if err != nil {
			return fmt.Errorf("reading the token: %w", err)
		}
		for _, t := range tokens {
			if _, err := io.WriteString(t, token); err != nil {
				return fmt.Errorf("passing the token on: %w", err)
			}
		}
		return nil
	}()
	return c.end(st, err)
}

// waiting starts receivers of our own protocol that wait for a token.
func (c *cast) waiting(ctx context.Context, st *stage, hosts int) (tokens []*os.File, err error) {
	for i := 1; i <= hosts; i++ {
		read, write, err := os.Pipe()
		if err != nil {
			closeAll(tokens)
			return nil, err
		}
		tokens = append(tokens, write)
		err = c.receiver(ctx, st, i, read, st.tools.program, "receive", "--quiet",
			"--local-ip", addr(i), "--token-file", "-")
		read.Close()
		if err != nil {
			closeAll(tokens)
			return nil, err
		}
	}
	return tokens, nil
}

// receiver starts a program whose standard output is the file of its host.
func (c *cast) receiver(ctx context.Context, st *stage, host int, stdin *os.File, args ...string) error {
	f, err := os.OpenFile(st.outName(host), os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	s := spawn{host: host, stdout: f, args: args}
	if stdin != nil {
		s.stdin = stdin
	}
	p, err := st.start(ctx, s)
	if err != nil {
		return err
	}
	c.receivers = append(c.receivers, p)
	return nil
}

// send starts the sender, with a file as standard input, and the clock.
func (c *cast) send(ctx context.Context, st *stage, file string, stdout io.Writer, args ...string) (err error) {
	var in *os.File
	if file != "" {
		if in, err = os.Open(file); err != nil {
			return err
		}
		defer in.Close()
	}
	s := spawn{stdout: stdout, args: args}
	if in != nil {
		s.stdin = in
	}
	c.begun = time.Now()
	c.sender, err = st.start(ctx, s)
	return err
}

func closeAll(files []*os.File) {
	for _, f := range files {
		f.Close()
	}
}

// sendBare sends datagrams of the same size over the same sockets, as fast as the
// kernel takes them, and drops what arrives: nothing is encrypted, verified,
// paced, repaired or written.
func sendBare(ctx context.Context, st *stage, s shot) (got sample, err error) {
	var c cast
	readers := make([]*bufio.Reader, s.hosts)
	var stops []*os.File
	err = func() error {
		for i := range readers {
			stop, out, err := c.bareReceiver(ctx, st, i+1)
			if err != nil {
				return err
			}
			stops, readers[i] = append(stops, stop), bufio.NewReader(out)
			if _, err := readers[i].ReadString('\n'); err != nil { // it has joined
				return fmt.Errorf("waiting for a bare receiver: %w", err)
			}
		}
		if err := c.send(ctx, st, "", nil, st.tools.self, bareCommand, "send", addr(0), strconv.FormatInt(st.size, 10)); err != nil {
			return err
		}
		return c.sender.wait()
	}()
	closeAll(stops)
	var results []string
	for _, r := range readers {
		if r != nil && err == nil {
			text, _ := r.ReadString('\n')
			results = append(results, text)
		}
	}
	got, err = c.end(st, err)
	if err != nil {
		return got, err
	}
	return got, got.takeSlowest(results)
}

// bareReceiver starts one; it ends when stop is closed.
func (c *cast) bareReceiver(ctx context.Context, st *stage, host int) (stop *os.File, out io.Reader, err error) {
	in, stop, err := os.Pipe()
	if err != nil {
		return nil, nil, err
	}
	defer in.Close()
	out, stdout, err := os.Pipe()
	if err != nil {
		return stop, nil, err
	}
	defer stdout.Close()
	p, err := st.start(ctx, spawn{host: host, stdin: in, stdout: stdout, args: []string{st.tools.self, bareCommand, "receive", addr(host)}})
	if err != nil {
		return stop, nil, err
	}
	c.receivers = append(c.receivers, p)
	return stop, out, nil
}

// takeSlowest makes the sample that of the receiver with the lowest rate.
func (s *sample) takeSlowest(results []string) error {
	lowest := -1.0
	for _, text := range results {
		r, err := parseBareResult(strings.TrimSpace(text))
		if err != nil {
			return err
		}
		if r.bytes == 0 || r.took == 0 {
			return errors.New("a bare receiver got nothing")
		}
		if rate := float64(r.bytes) / r.took.Seconds(); lowest < 0 || rate < lowest {
			lowest, s.arrived, s.took = rate, r.bytes, r.took
		}
	}
	return nil
}
