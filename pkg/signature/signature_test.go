package signature

import (
	"bytes"
	"encoding/base64"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// openssl runs it in dir.
func openssl(t *testing.T, dir string, args ...string) []byte {
	t.Helper()
	program, err := exec.LookPath("openssl")
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("there is no openssl here")
		}
		t.Skip("there is no openssl here")
	}
	cmd := exec.CommandContext(t.Context(), program, args...)
	cmd.Dir = dir
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		t.Fatalf("openssl %q: %v\n%s", args, err, errs.String())
	}
	return out.Bytes()
}

// keys are openssl's ways to make a private key, and to sign a file with it.
var keys = map[string]struct{ make, sign []string }{
	"ecdsa":   {[]string{"ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", "k"}, []string{"dgst", "-sha256", "-sign", "k", "-out", "x.sig", "x"}},
	"rsa":     {[]string{"genrsa", "-out", "k", "2048"}, []string{"dgst", "-sha256", "-sign", "k", "-out", "x.sig", "x"}},
	"ed25519": {[]string{"genpkey", "-algorithm", "ed25519", "-out", "k"}, []string{"pkeyutl", "-sign", "-rawin", "-inkey", "k", "-in", "x", "-out", "x.sig"}},
}

func public(t *testing.T, dir string) Key {
	t.Helper()
	key, err := ParseKey(openssl(t, dir, "pkey", "-in", "k", "-pubout"))
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// What openssl signs is taken, raw and in base64 as cosign writes it, and nothing
// else is.
func TestVerifyFile(t *testing.T) {
	content := bytes.Repeat([]byte("the images of a whole cloud\n"), 100_000)
	for name, k := range keys {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			write := func(name string, b []byte) {
				t.Helper()
				if err := os.WriteFile(filepath.Join(dir, name), b, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			openssl(t, dir, k.make...)
			key, path := public(t, dir), filepath.Join(dir, "x")
			write("x", content)
			if _, err := key.VerifyFile(t.Context(), path); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("no signature: %v", err)
			}
			openssl(t, dir, k.sign...)
			sig, err := os.ReadFile(path + ".sig")
			if err != nil {
				t.Fatal(err)
			}
			if sum, err := key.VerifyFile(t.Context(), path); err != nil || len(sum) != 64 {
				t.Errorf("raw: %v", err)
			}
			write("x.sig", []byte(base64.StdEncoding.EncodeToString(sig)+"\n"))
			if _, err := key.VerifyFile(t.Context(), path); err != nil {
				t.Errorf("base64: %v", err)
			}
			if err := key.Verify(content, sig); err != nil {
				t.Errorf("in memory: %v", err)
			}
			openssl(t, dir, k.make...)
			if _, err := public(t, dir).VerifyFile(t.Context(), path); !errors.Is(err, ErrSignature) {
				t.Errorf("another key: %v", err)
			}
			for what, bad := range map[string][]byte{"flipped": flip(sig), "cut": sig[:len(sig)-1], "empty": {}, "text": []byte("no signature")} {
				write("x.sig", bad)
				if _, err := key.VerifyFile(t.Context(), path); !errors.Is(err, ErrSignature) {
					t.Errorf("%s: %v", what, err)
				}
			}
			write("x.sig", sig)
			write("x", flip(content))
			if _, err := key.VerifyFile(t.Context(), path); !errors.Is(err, ErrSignature) {
				t.Errorf("other content: %v", err)
			}
		})
	}
}

func flip(b []byte) []byte {
	b = bytes.Clone(b)
	b[len(b)/2] ^= 1
	return b
}

func TestParseKeyRefuses(t *testing.T) {
	dir := t.TempDir()
	openssl(t, dir, "genrsa", "-out", "k", "1024")
	for name, raw := range map[string][]byte{
		"nothing": nil, "text": []byte("hello"), "short RSA": openssl(t, dir, "pkey", "-in", "k", "-pubout"),
		"a private key": openssl(t, dir, "pkey", "-in", "k"),
		"cut":           []byte("-----BEGIN PUBLIC KEY-----\nMFkw\n-----END PUBLIC KEY-----\n"),
	} {
		if _, err := ParseKey(raw); !errors.Is(err, ErrKey) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// An image's signature is of one digest.
func TestVerifyImage(t *testing.T) {
	dir := t.TempDir()
	openssl(t, dir, keys["ecdsa"].make...)
	key := public(t, dir)
	digest := "sha256:" + strings.Repeat("ab", 32)
	sign := func(content string) string {
		if err := os.WriteFile(filepath.Join(dir, "x"), []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
		openssl(t, dir, keys["ecdsa"].sign...)
		sig, err := os.ReadFile(filepath.Join(dir, "x.sig"))
		if err != nil {
			t.Fatal(err)
		}
		return base64.StdEncoding.EncodeToString(sig)
	}
	good := `{"critical":{"identity":{"docker-reference":"quay.io/kolla/x"},"image":{"docker-manifest-digest":"` + digest +
		`"},"type":"cosign container image signature"},"optional":null}`
	if err := key.VerifyImage(digest, []byte(good), sign(good)); err != nil {
		t.Error(err)
	}
	for what, content := range map[string]string{
		"of another image": strings.Replace(good, "ab", "cd", 1), "of another type": strings.Replace(good, "cosign container", "a", 1),
		"no JSON": "x", "empty": "",
	} {
		if err := key.VerifyImage(digest, []byte(content), sign(content)); !errors.Is(err, ErrSignature) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if err := key.VerifyImage(digest, []byte(good+" "), sign(good)); !errors.Is(err, ErrSignature) {
		t.Errorf("changed afterwards: %v", err)
	}
	if err := key.VerifyImage(digest, []byte(good), "?"); !errors.Is(err, ErrSignature) {
		t.Errorf("no base64: %v", err)
	}
	if got := Tag(digest); got != "sha256-"+strings.Repeat("ab", 32)+".sig" {
		t.Errorf("got %s", got)
	}
}
