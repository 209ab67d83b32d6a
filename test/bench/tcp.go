package main

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"syscall"
	"time"
)

// tcpCommand makes this program one end of the TCP stream to compare with.
const tcpCommand = "tcp"

// tcpMain copies standard input to a TCP connection, or a connection to
// standard output.
func tcpMain(args []string) error {
	if len(args) != 2 {
		return errors.New("usage: bench tcp send|receive ADDR:PORT")
	}
	if args[0] == "send" {
		return tcpSend(args[1])
	}
	return tcpReceive(args[1])
}

func tcpSend(to string) error {
	conn, err := dialPatiently(to)
	if err != nil {
		return err
	}
	if _, err := io.Copy(conn, os.Stdin); err != nil {
		return fmt.Errorf("sending: %w", err)
	}
	return conn.Close()
}

// dialPatiently waits for the receiver to listen.
func dialPatiently(to string) (net.Conn, error) {
	for end := time.Now().Add(5 * time.Second); ; {
		conn, err := net.Dial("tcp4", to)
		if !errors.Is(err, syscall.ECONNREFUSED) || time.Now().After(end) {
			return conn, err
		}
		time.Sleep(5 * time.Millisecond)
	}
}

func tcpReceive(at string) error {
	ln, err := net.Listen("tcp4", at)
	if err != nil {
		return err
	}
	defer ln.Close()
	conn, err := ln.Accept()
	if err != nil {
		return err
	}
	defer conn.Close()
	_, err = io.Copy(os.Stdout, conn)
	return err
}
