package engine

import (
	"errors"
	"slices"
	"strings"
	"testing"
)

// The answers that Docker 20.10 and Podman 3.4 and 4.3 gave to a load.
func TestReadProgress(t *testing.T) {
	for answer, want := range map[string][]string{
		`{"stream":"Loaded image: localhost/a:1\n"}` + "\n" + `{"stream":"Loaded image: localhost/b:2\n"}`: {"localhost/a:1", "localhost/b:2"},
		`{"stream":"Loaded image: localhost/a:1,localhost/b:2"}`:                                           {"localhost/a:1", "localhost/b:2"},
		`{"stream":"Loaded image(s): localhost/a:1"}`:                                                      {"localhost/a:1"},
		`{"stream":"Loaded image ID: sha256:00\n"}`:                                                        {"sha256:00"},
		`{"status":"Loading layer","progressDetail":{"current":1,"total":2},"id":"x"}`:                     nil,
		"": nil,
	} {
		report, err := readProgress(strings.NewReader(answer))
		if err != nil || !slices.Equal(report.loaded, want) {
			t.Errorf("%s: %q, %v; want %q", answer, report.loaded, err, want)
		}
	}
}

// TestReadProgressOfAFault: the status was sent before the work was done.
func TestReadProgressOfAFault(t *testing.T) {
	for _, answer := range []string{
		`{"stream":"Loaded image: a:1"}{"error":"no space left","errorDetail":{"message":"no space left"}}`,
		`{"errorDetail":{"message":"no space left"}}`,
	} {
		var refused *RefusedError
		if _, err := readProgress(strings.NewReader(answer)); !errors.As(err, &refused) || refused.Message != "no space left" {
			t.Errorf("%s: %v", answer, err)
		}
	}
	for _, answer := range []string{`{"stream":`, "<html>", `[]`} {
		if _, err := readProgress(strings.NewReader(answer)); err == nil {
			t.Errorf("%s: taken", answer)
		}
	}
	endless := `{"stream":"` + strings.Repeat("Loaded image: a:1\\n", maxNames+1) + `"}`
	if _, err := readProgress(strings.NewReader(endless)); err == nil {
		t.Error("an endless list of names is taken")
	}
}

func FuzzReadProgress(f *testing.F) {
	f.Add(`{"stream":"Loaded image: a:1,b:2\n"}`)
	f.Add(`{"error":"x"}`)
	f.Fuzz(func(t *testing.T, answer string) {
		report, err := readProgress(strings.NewReader(answer))
		if err == nil && slices.Contains(report.loaded, "") {
			t.Errorf("%q gives an empty name", answer)
		}
	})
}

func TestRefusedIsBounded(t *testing.T) {
	if got := refused(strings.Repeat("x", 1<<20)).Error(); len(got) > 3<<10 {
		t.Errorf("a message of %d bytes", len(got))
	}
}
