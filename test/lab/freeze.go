package lab

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// freezePatience is how long the kernel may take to stop a host.
const freezePatience = 5 * time.Second

// Freeze stops every process of the host at once, as SIGSTOP to all of them
// would. Its kernel goes on: connections stay open and nobody answers.
func (h *Host) Freeze() error {
	set, file, text, frozen := h.freezer()
	if set == "" {
		return errors.New("freezing: no cgroup hierarchy can")
	}
	if err := os.WriteFile(set, []byte(text), 0o644); err != nil {
		return fmt.Errorf("freezing %s: %w", h.Name(), err)
	}
	deadline := time.Now().Add(freezePatience)
	for {
		state, err := os.ReadFile(file)
		if err == nil && strings.Contains(string(state), frozen) {
			return nil
		}
		if time.Now().After(deadline) {
			return errors.Join(fmt.Errorf("freezing %s: it is %q", h.Name(), state), err)
		}
		time.Sleep(time.Millisecond)
	}
}

// Thaw lets a frozen host go on.
func (h *Host) Thaw() error {
	set, _, _, _ := h.freezer()
	text := "0"
	if strings.HasSuffix(set, "freezer.state") {
		text = "THAWED"
	}
	if err := os.WriteFile(set, []byte(text), 0o644); err != nil {
		return fmt.Errorf("thawing %s: %w", h.Name(), err)
	}
	return nil
}

func (h *Host) thawQuietly() {
	if set, _, _, _ := h.freezer(); set != "" {
		h.Thaw() // it may not be frozen, or gone
	}
}

// freezer says what to write where, and what is read where when it is done.
func (h *Host) freezer() (set, state, text, frozen string) {
	for _, c := range h.cgroups {
		if c.isUnified() {
			return filepath.Join(c.Dir, "cgroup.freeze"), filepath.Join(c.Dir, "cgroup.events"), "1", "frozen 1"
		}
	}
	for _, c := range h.cgroups {
		if c.Options == "freezer" {
			file := filepath.Join(c.Dir, "freezer.state")
			return file, file, "FROZEN", "FROZEN"
		}
	}
	return "", "", "", ""
}
