package launch

import (
	"context"
	"crypto/tls"
	"errors"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// TestMain makes this test binary the registry program, and systemctl, when it
// is called as them.
func TestMain(m *testing.M) {
	switch {
	case filepath.Base(os.Args[0]) == "systemctl":
		os.Exit(fakeSystemctl(os.Args[1:]))
	case len(os.Args) > 2 && slices.Equal(os.Args[1:3], []string{"registry", "serve"}):
		os.Exit(fakeRegistry(os.Args[3:]))
	}
	os.Exit(runTests(m))
}

// runTests makes two versions of a program that becomes this test binary. Both
// are there before any test starts a process: a file that is open for writing in
// one that was forked meanwhile cannot be run.
func runTests(m *testing.M) int {
	self, err := os.Executable()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	dir, err := os.MkdirTemp("", "launch")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	for _, version := range []string{"1", "2"} {
		script := fmt.Sprintf("#!/bin/sh\n# version %s\nexec '%s' \"$@\"\n", version, self)
		if err := os.WriteFile(filepath.Join(dir, version), []byte(script), 0o755); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
	}
	os.Setenv(programsEnv, dir)
	os.Setenv("GORACE", "atexit_sleep_ms=0") // else each systemctl sleeps a second at its end
	flag.Parse()
	if !slices.ContainsFunc(os.Args, func(a string) bool { return strings.HasPrefix(a, "-test.parallel") }) {
		_ = flag.Set("test.parallel", "8") // they wait more than they compute
	}
	return m.Run()
}

// programsEnv names the directory of the program's versions.
const programsEnv = "LAUNCH_TEST_PROGRAMS"

// addrFlags is a flag that may be repeated.
type addrFlags []string

func (a *addrFlags) String() string { return fmt.Sprint(*a) }

func (a *addrFlags) Set(s string) error {
	*a = append(*a, s)
	return nil
}

// fakeRegistry answers /v2/ with its identity. What it does wrong is told by
// --fault, as "trial WHAT" only when it is tried out, else only when it is not;
// --generation only tells two of them apart.
func fakeRegistry(args []string) int {
	var plain, secure addrFlags
	fs := flag.NewFlagSet("registry serve", flag.ExitOnError)
	fs.Var(&plain, "listen", "")
	fs.Var(&secure, "tls-listen", "")
	fs.String("store", "", "")
	fs.String("generation", "", "")
	cert := fs.String("cert", "", "")
	fs.String("key", "", "")
	identity := fs.String("identity", "", "")
	fault := fs.String("fault", "", "")
	fs.Bool("fill", false, "")
	fs.Int("log-limit", 0, "")
	wait := fs.Duration("wait", 0, "")
	_ = fs.Parse(args)
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	what, inTrial := strings.CutPrefix(*fault, "trial ")
	if isTrial := len(plain) > 0 && strings.HasSuffix(plain[0], ":0"); isTrial != inTrial {
		what = ""
	}
	switch what {
	case "dies":
		fmt.Println("the store is broken")
		return 3
	case "stubborn":
		signal.Ignore(syscall.SIGTERM)
	case "silent":
		<-ctx.Done()
		return 0
	case "exposed":
		_, port, _ := net.SplitHostPort(plain[0])
		plain = addrFlags{"0.0.0.0:" + port}
	case "more":
		plain = append(plain, anyPort)
	}
	h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set(identityHeader, *identity)
		switch what {
		case "500":
			w.WriteHeader(http.StatusInternalServerError)
		case "stranger":
			w.Header().Set(identityHeader, "somebody")
		}
	})
	return serveFake(ctx, h, plain, secure, *cert, *wait)
}

// anyPort is what the fault "more" listens on beside what it was told to.
const anyPort = "127.0.0.1:0"

// serveFake listens everywhere before it answers anywhere, as the registry does.
func serveFake(ctx context.Context, h http.Handler, plain, secure []string, cert string, wait time.Duration) int {
	var listeners []net.Listener
	listen := func(addr string, config *tls.Config) error {
		if addr == anyPort {
			time.Sleep(200 * time.Millisecond) // it is looked at meanwhile, with the wanted ones alone
		}
		l, err := net.Listen("tcp", addr)
		for end := time.Now().Add(wait); errors.Is(err, syscall.EADDRINUSE) && ctx.Err() == nil && time.Now().Before(end); {
			time.Sleep(5 * time.Millisecond)
			l, err = net.Listen("tcp", addr)
		}
		if err != nil {
			return err
		}
		if config != nil {
			l = tls.NewListener(l, config)
		}
		listeners = append(listeners, l)
		return nil
	}
	var errs []error
	for _, a := range plain {
		errs = append(errs, listen(a, nil))
	}
	for _, a := range secure {
		pair, err := tls.LoadX509KeyPair(cert, cert)
		errs = append(errs, err, listen(a, &tls.Config{Certificates: []tls.Certificate{pair}}))
	}
	if err := errors.Join(errs...); err != nil {
		fmt.Println(err)
		return 1
	}
	server := &http.Server{Handler: h}
	var all sync.WaitGroup
	for _, l := range listeners {
		all.Go(func() { _ = server.Serve(l) })
	}
	<-ctx.Done()
	server.Close()
	all.Wait()
	return 0
}
