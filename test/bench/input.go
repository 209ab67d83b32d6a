package main

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
)

// An input is the random bytes that all rounds of a scene send.
type input struct {
	file string
	size int64
	sum  [sha256.Size]byte
}

func makeInput(file string, size int64) (in input, err error) {
	f, err := os.Create(file)
	if err != nil {
		return in, err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.CopyN(io.MultiWriter(f, h), rand.NewChaCha8([32]byte{}), size); err != nil {
		return in, fmt.Errorf("making the input: %w", err)
	}
	in = input{file: file, size: size}
	h.Sum(in.sum[:0])
	return in, f.Close()
}

// outName is the file of a receiver.
func (st *stage) outName(host int) string { return st.path(fmt.Sprintf("out%d", host)) }

// blank fills the files of the first hosts with zeros. Their memory is there
// before a transfer: on a virtual machine the first touch of a page can cost more
// than all that is done with it.
func (st *stage) blank(hosts int) error {
	for i := 1; i <= hosts; i++ {
		if err := blankFile(st.outName(i), st.size); err != nil {
			return fmt.Errorf("preparing the file of a receiver: %w", err)
		}
	}
	return nil
}

func blankFile(name string, size int64) error {
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	zeros := make([]byte, mib)
	for at := int64(0); at < size; at += mib {
		if _, err := f.WriteAt(zeros[:min(mib, size-at)], at); err != nil {
			return err
		}
	}
	return f.Close()
}

// check compares the files of the first hosts with the input.
func (st *stage) check(hosts int) error {
	for i := 1; i <= hosts; i++ {
		if err := st.checkFile(st.outName(i)); err != nil {
			return err
		}
	}
	return nil
}

func (st *stage) checkFile(name string) error {
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return err
	}
	if [sha256.Size]byte(h.Sum(nil)) != st.sum {
		return fmt.Errorf("%s has wrong bytes", name)
	}
	return nil
}

// tools are the programs that are run.
type tools struct {
	self    string // this one
	program string // daisy-mcast
}

// findTools builds what is to be measured, unless it was given.
func findTools(ctx context.Context, o options) (t tools, remove func(), err error) {
	remove = func() {}
	if t.self, err = os.Executable(); err != nil {
		return t, remove, err
	}
	if t.program = o.program; t.program != "" {
		return t, remove, nil
	}
	dir, err := os.MkdirTemp("", "daisy-mcast-bench-*")
	if err != nil {
		return t, remove, err
	}
	remove = func() { os.RemoveAll(dir) }
	t.program = filepath.Join(dir, "daisy-mcast")
	// As make build does: without its tables for debuggers a copy for a host is half
	// as large.
	err = run(ctx, "", "go", "build", "-trimpath", "-ldflags", "-s -w", "-o", t.program,
		"github.com/daisy-mcast/daisy-mcast/cmd/daisy-mcast")
	if err != nil {
		remove()
	}
	return t, remove, err
}
