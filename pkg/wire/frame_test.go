package wire

import (
	"bytes"
	"errors"
	"io"
	"reflect"
	"testing"
	"testing/iotest"
)

func TestReadFrame(t *testing.T) {
	var sent []byte
	for _, g := range allGolden() {
		sent = Append(sent, g.message)
	}
	r := iotest.OneByteReader(bytes.NewReader(sent))
	var buf []byte
	for _, g := range allGolden() {
		var err error
		if buf, err = ReadFrame(r, buf, MaxFrame); err != nil {
			t.Fatal(err)
		}
		m, err := Parse(buf)
		if err != nil || !reflect.DeepEqual(m, g.message) {
			t.Fatalf("got %+v, %v", m, err)
		}
	}
	if _, err := ReadFrame(r, buf, MaxFrame); !errors.Is(err, io.EOF) {
		t.Errorf("after the last: %v", err)
	}
}

// TestFault52Lengths gives lengths that nobody may allocate for, and what other
// protocols begin with (fault 53).
func TestFault52And53Lengths(t *testing.T) {
	for name, tt := range map[string]struct {
		sent  []byte
		limit int
	}{
		"zero":               {[]byte{0, 0, 0, 0, 1}, MaxFrame},
		"2^32-1":             {[]byte{0xff, 0xff, 0xff, 0xff, 1}, MaxFrame},
		"2^31":               {[]byte{0x80, 0, 0, 0, 1}, MaxFrame},
		"one more than 1 MB": {[]byte{0, 0x10, 0, 1, 1}, MaxFrame},
		"limit too high":     {[]byte{0, 0x10, 0, 1, 1}, 1 << 30},
		"first frame":        {[]byte{0, 0, 0, MaxHelloFrame + 1, 1}, MaxHelloFrame},
		"an HTTP request":    {[]byte("GET / HTTP/1.1\r\n\r\n"), MaxFrame},
		"a TLS hello":        {[]byte{0x16, 3, 1, 2, 0, 1, 0}, MaxFrame},
	} {
		t.Run(name, func(t *testing.T) {
			r := bytes.NewReader(tt.sent)
			buf, err := ReadFrame(r, nil, tt.limit)
			if !errors.Is(err, ErrFormat) || buf != nil {
				t.Errorf("got %d bytes, %v", len(buf), err)
			}
			if r.Len() != len(tt.sent)-lengthSize {
				t.Error("read past the length")
			}
		})
	}
}

func TestTruncatedFrames(t *testing.T) {
	whole := Append(nil, goldenEnd().message)
	for n := 1; n < len(whole); n++ {
		if _, err := ReadFrame(bytes.NewReader(whole[:n]), nil, MaxFrame); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("%d of %d bytes: %v", n, len(whole), err)
		}
	}
}

func TestReadFrameUsesItsBuffer(t *testing.T) {
	whole := Append(nil, goldenEnd().message)
	r, buf := bytes.NewReader(whole), make([]byte, 0, 64)
	got, err := ReadFrame(r, buf, MaxFrame)
	if err != nil || &got[0] != &buf[:1][0] {
		t.Errorf("another buffer, %v", err)
	}
}
