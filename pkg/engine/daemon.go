package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/docker/docker/client"
)

// A daemon is the Engine behind one unix socket. It is safe for concurrent use:
// nothing in it changes after Dial.
type daemon struct {
	api     *client.Client
	dialer  *socketDialer
	socket  string
	timeout time.Duration
	kind    Kind
	version string
	arch    string
}

var _ Engine = (*daemon)(nil)

// Close ends the idle connections.
func (d *daemon) Close() error { return d.api.Close() }

// Info asks the engine what it is.
func (d *daemon) Info(ctx context.Context) (Info, error) {
	ctx, cancel := d.short(ctx)
	defer cancel()
	info, err := d.api.Info(ctx)
	if err != nil {
		return Info{}, d.fail(ctx, "asking the engine about itself", err)
	}
	return Info{
		Kind:       d.kind,
		Version:    d.version,
		APIVersion: d.api.ClientVersion(),
		RootDir:    info.DockerRootDir,
		Arch:       d.arch,
		Socket:     d.socket,

		KeepsContent: slices.ContainsFunc(info.DriverStatus, isContainerdStore),
	}, nil
}

// isContainerdStore reports whether a line of the driver's status says that
// images are containerd's: so Docker tells it since 23.
func isContainerdStore(status [2]string) bool {
	return status == [2]string{"driver-type", "io.containerd.snapshotter.v1"}
}

// short bounds a call that an engine answers at once.
func (d *daemon) short(ctx context.Context) (context.Context, context.CancelFunc) {
	return d.within(ctx, d.timeout)
}

func (d *daemon) within(ctx context.Context, limit time.Duration) (context.Context, context.CancelFunc) {
	cause := fmt.Errorf("%w: no answer on %s in %v", ErrNotResponding, d.socket, limit)
	return context.WithTimeoutCause(ctx, limit, cause)
}

// alive bounds a call that takes as long as it takes, a load or a pull, by
// asking beside it whether the engine still answers at all. The returned stop
// ends the asking and waits for it.
func (d *daemon) alive(ctx context.Context) (_ context.Context, stop func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		d.watch(ctx, cancel)
	}()
	return ctx, func() {
		cancel(context.Canceled)
		<-done
	}
}

// watch cancels with ErrNotResponding when the engine stops answering. A
// question every half timeout, each with half of it to answer, finds a hung
// engine within one timeout.
func (d *daemon) watch(ctx context.Context, cancel context.CancelCauseFunc) {
	tick := time.NewTicker(d.timeout / 2)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		ask, done := d.within(ctx, d.timeout/2)
		_, err := d.api.Ping(ask)
		err = answerError(ask, err, d.dialer.failure())
		done()
		if errors.Is(err, ErrNotResponding) {
			cancel(err)
			return
		}
	}
}

func (d *daemon) fail(ctx context.Context, doing string, err error) error {
	return fmt.Errorf("%s: %w", doing, answerError(ctx, err, d.dialer.failure()))
}
