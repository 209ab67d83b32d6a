package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/daisy-mcast/daisy-mcast/pkg/atomicfile"
	"github.com/daisy-mcast/daisy-mcast/pkg/transfer"
)

// What stands beside a file that is being received.
const (
	partSuffix    = ".part"
	journalSuffix = ".part.journal"
)

// An output is where the stream goes: in place of a regular file, one beside it
// that takes its name when it is complete. What is verified of one that is not stays,
// with a journal, for another session.
type output struct {
	sink    transfer.Sink
	file    *os.File // nil once it is finished or abandoned
	name    string   // that the file gets; "" if it has it
	journal *transfer.Journal
}

func openOutput(ctx context.Context, stdout io.Writer, name string) (*output, error) {
	if name == "-" {
		f, _ := stdout.(*os.File)
		return &output{sink: transfer.StreamSink(stdout), file: f}, nil
	}
	f, err := unlessDone(ctx, func() (*os.File, error) { return atomicfile.InPlace(name) })
	if err != nil {
		return nil, err
	}
	if f != nil {
		return &output{sink: transfer.StreamSink(f), file: f}, nil
	}
	name = atomicfile.Behind(name)
	j, err := transfer.OpenJournal(name + journalSuffix)
	if err != nil {
		return nil, err
	}
	f, err = os.OpenFile(name+partSuffix, os.O_RDWR|os.O_CREATE|unix.O_NOFOLLOW, 0o666)
	if err != nil {
		if j.Len() == 0 {
			os.Remove(name + journalSuffix)
		}
		return nil, errors.Join(err, j.Close())
	}
	return &output{sink: transfer.JournaledSink(f, j), file: f, name: name, journal: j}, nil
}

// finish brings the file to its disk and gives it its name.
func (o *output) finish() error {
	f := o.file
	o.file = nil
	if f == nil {
		return nil
	}
	if err := closeOutput(f, true); err != nil || o.name == "" {
		return err
	}
	if err := os.Rename(f.Name(), o.name); err != nil {
		return err
	}
	name := o.name
	o.name = ""
	if err := errors.Join(os.Remove(name+journalSuffix), o.journal.Close()); err != nil {
		return err
	}
	dir, err := os.Open(filepath.Dir(name))
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

// abandon ends the writing of what is not complete. It says what stays for another
// session, if anything does; the rest is removed.
func (o *output) abandon() (kept string) {
	o.close()
	if o.name == "" {
		return ""
	}
	if o.journal.Len() > 0 {
		return fmt.Sprintf("resumable: what is verified stays in %s; receive it again, with a new token, and only the rest is sent",
			o.name+partSuffix)
	}
	os.Remove(o.name + partSuffix)
	os.Remove(o.name + journalSuffix)
	return ""
}

// close closes what is open.
func (o *output) close() {
	if o.file != nil {
		o.file.Close()
		o.file = nil
	}
	if o.journal != nil {
		_ = o.journal.Close() // a journal is only a help
	}
}
