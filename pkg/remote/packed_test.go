package remote_test

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"testing"

	"github.com/daisy-mcast/daisy-mcast/pkg/remote"
	"github.com/daisy-mcast/daisy-mcast/pkg/remote/remotetest"
)

// packed is the test's program as gzip packs it; asked counts who wanted it.
func packed(asked *int) remote.Program {
	p := remotetest.Program()
	p.Packed = func() (io.ReaderAt, int64, error) {
		*asked++
		var b bytes.Buffer
		w := gzip.NewWriter(&b)
		_, err := io.Copy(w, io.NewSectionReader(p.Reader, 0, p.Size))
		err = errors.Join(err, w.Close())
		return bytes.NewReader(b.Bytes()), int64(b.Len()), err
	}
	return p
}

// TestPackedProgram: a host with gzip gets the program packed, once.
func TestPackedProgram(t *testing.T) {
	o, asked := remotetest.Options(t), 0
	o.Program = func(string) (remote.Program, error) { return packed(&asked), nil }
	for i, wantUpload := range []bool{true, false} {
		s, facts, err := newNode(t).bootstrap(t, o)
		if err != nil || facts.Uploaded != wantUpload || asked != 1 {
			t.Fatalf("bootstrap %d: uploaded %v, packed %d times, %v", i, facts.Uploaded, asked, err)
		}
		if _, err := io.WriteString(s.Stdin, "the agent's own\n"); err != nil {
			t.Error(err)
		}
		s.Stdin.Close()
		if got, err := io.ReadAll(s.Stdout); err != nil || !bytes.HasSuffix(got, []byte("the agent's own\n")) {
			t.Errorf("bootstrap %d: the agent says %q, %v", i, got, err)
		}
	}
}

func TestFault64PackedProgramThatIsNotTaken(t *testing.T) {
	for name, c := range map[string]struct {
		gzip   string // in place of the host's
		spoil  func(*remote.Program)
		reason remote.Reason
	}{
		"disk full":    {"echo 'gzip: stdout: No space left on device' >&2; exit 1", nil, remote.ReasonDisk},
		"flipped bits": {"/bin/gzip \"$@\" | tr s S", nil, remote.ReasonProgram},
		"cut short": {"", func(p *remote.Program) {
			whole := p.Packed
			p.Packed = func() (io.ReaderAt, int64, error) {
				r, n, err := whole()
				return r, n / 2, err
			}
		}, remote.ReasonProgram},
		"unreadable": {"", func(p *remote.Program) {
			p.Packed = func() (io.ReaderAt, int64, error) { return nil, 0, io.ErrUnexpectedEOF }
		}, remote.ReasonProgram},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n, asked := newNode(t), 0
			if c.gzip != "" {
				n.install(t, "gzip", c.gzip)
			}
			p := packed(&asked)
			if c.spoil != nil {
				c.spoil(&p)
			}
			o := remotetest.Options(t)
			o.Program = func(string) (remote.Program, error) { return p, nil }
			_, _, err := n.bootstrap(t, o)
			wantReason(t, err, c.reason, "")
		})
	}
}
