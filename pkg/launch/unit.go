package launch

import (
	"fmt"
	"strings"
)

// unitMark begins the lines by which a unit is known to be ours. systemd
// ignores keys that begin with X-.
const unitMark = "X-DaisyMcast-"

// A unit is what goes into a unit file of ours.
type unit struct {
	name        string // of the registry
	execStart   []string
	execStop    []string // may be empty
	fingerprint string
	version     string
	hardened    bool     // the program needs nothing but to read and to listen
	requires    []string // paths that must be mounted before
	writes      string   // the directory that it may write to; empty for none
	container   string   // that it starts; empty for the program itself
}

// isPodman reports whether the unit only brings a container back after a reboot.
func (u unit) isPodman() bool { return u.container != "" }

// hardening takes away what a server that reads files does not need. No
// directive that keeps an old systemd (219, CentOS 7) from starting the unit: it
// ignores the ones that it does not know. Not so SystemCallFilter=@group, which it
// takes for an empty list. /tmp stays visible, because a store may lie there.
var hardening = []string{
	"NoNewPrivileges=yes",
	"CapabilityBoundingSet=",
	"ProtectSystem=strict",
	"ProtectHome=read-only",
	"PrivateDevices=yes",
	"ProtectClock=yes",
	"ProtectControlGroups=yes",
	"ProtectHostname=yes",
	"ProtectKernelLogs=yes",
	"ProtectKernelModules=yes",
	"ProtectKernelTunables=yes",
	"RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6",
	"RestrictNamespaces=yes",
	"RestrictRealtime=yes",
	"RestrictSUIDSGID=yes",
	"LockPersonality=yes",
	"MemoryDenyWriteExecute=yes",
	"SystemCallArchitectures=native",
	"UMask=0077",
	"LimitNOFILE=16384",
}

// text renders the unit file. The same unit gives the same text.
func (u unit) text() string {
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	line("# Written by daisy-mcast; changes are lost. Remove with: daisy-mcast registry stop --purge --name %s", u.name)
	line("[Unit]")
	line("Description=Container registry of daisy-mcast (%s)", u.name)
	line("Wants=network-online.target")
	line("After=network-online.target")
	for _, path := range u.requires {
		line("RequiresMountsFor=%s", quoteUnit(path))
	}
	line("StartLimitIntervalSec=0")
	line("%sName=%s", unitMark, u.name)
	line("%sVersion=%s", unitMark, u.version)
	line("%sFingerprint=%s", unitMark, u.fingerprint)
	if u.isPodman() {
		line("%sContainer=%s", unitMark, u.container)
	}
	line("")
	line("[Service]")
	line("Type=simple")
	line("ExecStart=%s", quoteExec(u.execStart))
	if len(u.execStop) > 0 {
		line("ExecStop=%s", quoteExec(u.execStop))
	}
	line("StartLimitInterval=0") // its name and place before systemd 230
	line("Restart=always")
	line("RestartSec=1")
	line("TimeoutStopSec=20")
	if u.hardened {
		for _, h := range hardening {
			line("%s", h)
		}
		if u.writes != "" {
			line("ReadWritePaths=%s", quoteUnit(u.writes))
			line("ReadWriteDirectories=%s", quoteUnit(u.writes)) // its name before systemd 231
		}
	}
	line("")
	line("[Install]")
	line("WantedBy=multi-user.target")
	return b.String()
}

// parseUnit reads back our marks; false when text is no unit of ours.
func parseUnit(text string) (u unit, ours bool) {
	for l := range strings.Lines(text) {
		key, value, _ := strings.Cut(strings.TrimSpace(l), "=")
		switch key {
		case unitMark + "Name":
			u.name, ours = value, true
		case unitMark + "Version":
			u.version = value
		case unitMark + "Fingerprint":
			u.fingerprint = value
		case unitMark + "Container":
			u.container = value
		}
	}
	return u, ours
}

// quoteExec writes a command line by the rules of systemd.service(5): no
// variable and no specifier in it means anything.
func quoteExec(argv []string) string {
	words := make([]string, len(argv))
	for i, a := range argv {
		words[i] = strings.ReplaceAll(quoteUnit(a), "$", "$$")
	}
	return strings.Join(words, " ")
}

// quoteUnit quotes one word by the rules of systemd.syntax(7).
func quoteUnit(s string) string {
	s = strings.NewReplacer(`\`, `\\`, `"`, `\"`, `%`, `%%`).Replace(s)
	if s == "" || strings.ContainsAny(s, " '\"\\;#") {
		return `"` + s + `"`
	}
	return s
}
