package lab_test

import (
	"strings"
	"testing"
	"time"

	"github.com/daisy-mcast/daisy-mcast/test/lab"
)

func TestPretendSystemdStartsAUnitAgainAfterReboot(t *testing.T) {
	t.Parallel()
	l := lab.New(t, lab.Config{Hosts: hosts("h1")})
	ctx := within(t, 30*time.Second)
	h := l.Host("h1")
	if err := h.PretendSystemd(); err != nil {
		t.Fatal(err)
	}
	const unit = "[Service]\nExecStart=/usr/bin/sleep \"4321\"\n[Install]\nWantedBy=multi-user.target\n"
	if err := h.WriteFile("/etc/systemd/system/sleep.service", []byte(unit), 0o644); err != nil {
		t.Fatal(err)
	}
	show := func() string {
		return h.Run(ctx, "systemctl", "show", "--property=ActiveState,UnitFileState", "sleep.service").Stdout
	}
	if r := h.Run(ctx, "systemctl", "enable", "--now", "sleep.service"); !r.OK() || r.HeldOpen {
		t.Fatal(r)
	}
	if got := show(); got != "ActiveState=active\nUnitFileState=enabled\n" {
		t.Errorf("after enable: %q", got)
	}
	if err := h.Reboot(ctx); err != nil {
		t.Fatal(err)
	}
	if got := show(); !strings.HasPrefix(got, "ActiveState=active") {
		t.Errorf("after the reboot: %q", got)
	}
	if r := h.Run(ctx, "systemctl", "stop", "sleep.service"); !r.OK() {
		t.Error(r)
	}
	if got := show(); !strings.HasPrefix(got, "ActiveState=inactive") {
		t.Errorf("after stop: %q", got)
	}
}
