package kolla

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func writeDropIn(t *testing.T, d DropIn) string {
	t.Helper()
	dir := t.TempDir()
	content, err := Render(d)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Write(dir, content); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestR13DropInRemembersWhatItWasMadeFrom(t *testing.T) {
	for _, tt := range dropIns {
		want, err := tt.dropIn.normal()
		if err != nil {
			t.Fatal(err)
		}
		got, ok, err := Read(writeDropIn(t, tt.dropIn))
		if err != nil || !ok || !slices.Equal(got.Leaning, want.Leaning) || !slices.Equal(got.Bypassing, want.Bypassing) ||
			got.Fallback != want.Fallback || got.Central != want.Central || got.Tag != want.Tag {
			t.Errorf("%s: got %+v, %v, %v; want %+v", tt.name, got, ok, err, want)
		}
	}
}

func TestReadWithoutState(t *testing.T) {
	for name, text := range map[string]string{
		"":           "",
		"older":      header + "\n---\ndocker_registry: x\n",
		"spoiled":    header + "\n" + statePrefix + "{\"leaning\": 1}\n",
		"bad values": header + "\n" + statePrefix + `{"namespace":"kolla","tag":"train","leaning":["a\u0027b"]}` + "\n",
	} {
		dir := t.TempDir()
		if name != "" {
			if err := os.WriteFile(filepath.Join(dir, FileName), []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if d, ok, err := Read(dir); ok || err != nil {
			t.Errorf("%q: got %+v, %v, %v", name, d, ok, err)
		}
		if _, err := Bypass(dir, []string{"a"}); !errors.Is(err, ErrNoState) {
			t.Errorf("%q: Bypass: %v", name, err)
		}
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, FileName), []byte("a: b\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, _, err := Read(dir); !errors.Is(err, ErrForeign) {
		t.Errorf("somebody else's: %v", err)
	}
}

func TestKeepingWhatIsSaidOfOtherHosts(t *testing.T) {
	earlier := DropIn{Leaning: []string{"a", "b"}, Bypassing: []string{"c", "d"}}
	now := DropIn{Leaning: []string{"e"}, Bypassing: []string{"b"}}
	got := now.Keeping(earlier, []string{"B", "c", "e"})
	if !slices.Equal(got.Leaning, []string{"e", "a"}) || !slices.Equal(got.Bypassing, []string{"b", "d"}) {
		t.Errorf("got %+v", got)
	}
	if len(earlier.Leaning) != 2 || len(now.Leaning) != 1 {
		t.Error("an argument was changed")
	}
}

func TestBypass(t *testing.T) {
	dir := writeDropIn(t, DropIn{Namespace: "kolla", Tag: "train", Central: central})
	for i, want := range []Action{Changed, Unchanged} {
		change, err := Bypass(dir, []string{"computer02"})
		if err != nil || change.Action != want {
			t.Errorf("time %d: %v, %v", i, change.Action, err)
		}
	}
	text, err := os.ReadFile(filepath.Join(dir, FileName))
	if err != nil || !strings.Contains(string(text), "'computer02': '"+central+"'") {
		t.Errorf("got %s, %v", text, err)
	}
	if _, err := Bypass(dir, []string{"a'b"}); err == nil {
		t.Error("a name with a quote was taken")
	}
}
