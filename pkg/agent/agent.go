// Package agent is the main job's half on a host. The deploy server starts it
// over SSH and calls it over standard input and output (pkg/control); each call
// is one file here, named as in pkg/agent/message. One of the agents is the
// sender's: it holds the central registry and the sending end of the carrier.
//
// An agent lives as long as its session. What it has put in place before - a
// registry that runs, a set that was switched to - stays; a registry that it
// started for a set that was never switched to is taken away again.
package agent

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"sync"
	"time"

	"github.com/daisy-mcast/daisy-mcast/pkg/agent/message"
	"github.com/daisy-mcast/daisy-mcast/pkg/control"
	"github.com/daisy-mcast/daisy-mcast/pkg/launch"
	"github.com/daisy-mcast/daisy-mcast/pkg/store"
	"github.com/daisy-mcast/daisy-mcast/pkg/transfer"
)

// cleanUpTime bounds what an agent does after its session has ended.
const cleanUpTime = 20 * time.Second

// Run answers the deploy server's calls until in ends or ctx is done.
func Run(ctx context.Context, in io.Reader, out io.Writer, log *slog.Logger) error {
	return newAgent(log).run(ctx, in, out)
}

func newAgent(log *slog.Logger) *agent {
	return &agent{log: log, sets: make(map[string]*store.Set)}
}

func (a *agent) run(ctx context.Context, in io.Reader, out io.Writer) error {
	a.server = control.NewServer(out, a.handlers())
	err := a.server.Serve(ctx, in)
	return errors.Join(err, a.cleanUp(context.WithoutCancel(ctx)))
}

// agent is the state of one session. The calls of a run come one after the
// other, but a late answer may overlap the next call: mu guards the fields.
type agent struct {
	server *control.Server
	log    *slog.Logger
	// testEngineSocket is where tests have an engine; "" is where engines are.
	testEngineSocket string

	mu       sync.Mutex
	setup    message.Setup
	identity string // of the registry on this host, see launch.EnsureIdentity
	store    *store.Store
	sets     map[string]*store.Set
	listener *probed // the carrier's; on the sender, between listen and send
	// transferID is the native carrier's; see ownIdentity.
	transferID *transfer.Identity
	started    *launch.Spec // a registry that this session started anew
	activated  bool
	lock       *os.File // the sender's, see lockSender
}

func (a *agent) handlers() map[string]control.Handler {
	return map[string]control.Handler{
		message.CallSetup:    control.Handle(a.callSetup),
		message.CallImport:   a.callImport,
		message.CallCentral:  control.Handle(withSweep(a, a.callCentral)),
		message.CallReach:    control.Handle(a.callReach),
		message.CallListen:   control.Handle(a.callListen),
		message.CallList:     control.Handle(a.callList),
		message.CallCheck:    control.Handle(a.callCheck),
		message.CallServe:    control.Handle(withSweep(a, a.callServe)),
		message.CallSend:     control.Handle(a.callSend),
		message.CallReceive:  control.Handle(a.callReceive),
		message.CallActivate: control.Handle(a.callActivate),
		message.CallVerify:   control.Handle(a.callVerify),
		message.CallPull:     control.Handle(a.callPull),
		message.CallUnpack:   control.Handle(a.callUnpack),
		message.CallRoom:     control.Handle(a.callRoom),
		message.CallPreload:  control.Handle(a.callPreload),
	}
}

// cleanUp ends what only this session needed.
func (a *agent) cleanUp(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, cleanUpTime)
	defer cancel()
	a.dropListener()
	a.mu.Lock()
	defer a.mu.Unlock()
	var errs []error
	if a.started != nil && !a.activated {
		errs = append(errs, launch.Stop(ctx, *a.started, true))
	}
	if a.store != nil {
		errs = append(errs, a.store.Close())
	}
	if a.lock != nil {
		errs = append(errs, a.lock.Close())
	}
	return errors.Join(errs...)
}

// note tells the operator a line. That the connection is gone shows elsewhere.
func (a *agent) note(format string, args ...any) {
	_ = a.server.Emit(message.EventNote, message.Note{Text: fmt.Sprintf(format, args...)})
}

// bytes reports progress.
func (a *agent) bytes(done, total int64) {
	_ = a.server.Emit(message.EventBytes, message.Bytes{Done: done, Total: total})
}

// problem makes err a result with a reason that the deploy server knows.
func problem(reason string, err error) error {
	return &control.Error{Reason: reason, Text: err.Error()}
}

// open returns the store, made when it is not there, and the set with that ID.
func (a *agent) open(setID string) (*store.Store, *store.Set, error) {
	st, err := a.openStore()
	if err != nil {
		return nil, nil, err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if set := a.sets[setID]; set != nil {
		return st, set, nil
	}
	set, err := st.LoadSet(setID)
	if err != nil {
		return nil, nil, problem(message.ReasonStore, err)
	}
	a.sets[setID] = set
	return st, set, nil
}

// openStore opens the store and makes the registry's identity, once.
func (a *agent) openStore() (*store.Store, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.store != nil {
		return a.store, nil
	}
	if a.setup.BaseDir == "" {
		return nil, errors.New("no setup call came before")
	}
	identity, err := launch.EnsureIdentity(a.setup.BaseDir)
	if err != nil {
		return nil, problem(message.ReasonStore, err)
	}
	st, err := store.Create(store.Config{Dir: a.setup.StoreDir})
	if err != nil {
		return nil, problem(message.ReasonStore, err)
	}
	a.identity, a.store = identity, st
	return st, nil
}

// blobs returns the blobs of set at the indexes pack.
func blobs(set *store.Set, pack message.Indexes) ([]store.Blob, error) {
	return pick(set.Blobs, pack)
}

// pick returns the elements of all at the indexes.
func pick[T any](all []T, indexes message.Indexes) ([]T, error) {
	if !indexes.Below(len(all)) {
		return nil, fmt.Errorf("indexes %v into %d", indexes, len(all))
	}
	out := make([]T, 0, indexes.Len())
	for _, i := range indexes.List() {
		out = append(out, all[i])
	}
	return out, nil
}

// program is the path of the running binary, which is what a registry runs too.
func program() (string, error) {
	p, err := os.Executable()
	if err != nil {
		return "", fmt.Errorf("finding the running program: %w", err)
	}
	return p, nil
}
