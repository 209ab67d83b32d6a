package wire

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"
)

var welcomeStart = "0201" + "000102030405060708090a0b0c0d0e0f" +
	"6465666768696a6b6c6d6e6f707172737475767778797a7b7c7d7e7f80818283" + "efc10203" + "47d0"

func goldenWelcomeFile() golden {
	return golden{
		Welcome{
			Version:  1,
			Session:  SessionID(bytesFrom(0, 16)),
			Key:      Key(bytesFrom(100, 32)),
			Group:    netip.MustParseAddrPort("239.193.2.3:18384"),
			Geometry: Geometry{Payload: 1432},
			Mode:     File, Size: 5_000_000_000,
			ReportInterval: 100 * time.Millisecond,
		},
		"0000004f" + welcomeStart + "0598" + "00c0" + "0004" + "01" + "000000012a05f200" + "00000000" + "000186a0",
	}
}

func goldenWelcomeStream() golden {
	w := goldenWelcomeFile().message.(Welcome)
	w.Geometry, w.Mode, w.Size, w.Window, w.ReportInterval = Geometry{Payload: 8932}, Stream, 0, 240, MinReportInterval
	return golden{w,
		"0000004f" + welcomeStart + "22e4" + "00c0" + "0004" + "02" + "0000000000000000" + "000000f0" + "00004e20"}
}

func TestWelcome(t *testing.T) {
	goldenWelcomeFile().check(t)
	goldenWelcomeStream().check(t)
}

func TestWelcomeBounds(t *testing.T) {
	file, stream := body(goldenWelcomeFile().message), body(goldenWelcomeStream().message)
	for _, tt := range []struct {
		body []byte
		what string
	}{
		{with(file, 0, 2), "version 2, which was not offered"},
		{with(file, 49, 10, 0, 0, 1), "group 10.0.0.1"},
		{with(file, 53, 0, 0), "group 239.193.2.3:0"},
		{with(file, 55, 0, 0), "payload of 0 bytes"},
		{with(file, 55, 0x01, 0xfb), "payload of 507 bytes"},
		{with(file, 55, 0x22, 0xe5), "payload of 8933 bytes"},
		{with(file, 57, 0, 0), "blocks of 0 packets"},
		{with(file, 57, 0, 191), "blocks of 191 packets"},
		{with(file, 59, 0, 5), "segments of 5 blocks"},
		{with(file, 61, 0), "mode 0"},
		{with(file, 61, 3), "mode 3"},
		{with(file, 61, 2), "stream with size 5000000000"},
		{with(file, 62, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff), "file with size"},
		{with(file, 70, 0, 0, 0, 1), "window 1"},
		{with(stream, 70, 0, 0, 0, 0), "window 0"},
		{with(stream, 70, 0xff, 0xff, 0xff, 0xff), "window 4294967295"},
		{with(file, 74, 0, 0, 0, 0), "report interval 0s"},
		{with(file, 74, 0xff, 0xff, 0xff, 0xff), "report interval"},
	} {
		refused(t, TypeWelcome, tt.body, tt.what)
	}
	panics(t, Welcome{})
}

// I8: no key in a log.
func TestKeyDoesNotPrint(t *testing.T) {
	w := goldenWelcomeFile().message.(Welcome)
	for _, format := range []string{"%v", "%+v", "%#v", "%s"} {
		if got := fmt.Sprintf(format, w); strings.Contains(got, "101") || !strings.Contains(got, "***") {
			t.Errorf("%s: %s", format, got)
		}
	}
	if got := fmt.Sprintf("%x %d", w.Key, w.Key); strings.Contains(got, "65") {
		t.Errorf("%%x, %%d: %s", got)
	}
}
