package launch

import (
	"context"
	"errors"
	"fmt"
	"os"
)

// settle gives the process the pid file of the settled name.
func (p *processInstance) settle(context.Context) error {
	if p.file == p.keeper.pidFile() {
		return nil
	}
	if err := p.record.write(p.keeper.pidFile()); err != nil {
		return err
	}
	err := p.removeFile() // until then both files name it, see add
	p.file = p.keeper.pidFile()
	return err
}

func (p *processInstance) remove(context.Context) error {
	p.close()
	return p.removeFile()
}

// removeFile removes the pid file, unless it is that of another process that runs.
func (p *processInstance) removeFile() error {
	now, err := readRecord(p.file)
	if errors.Is(err, os.ErrNotExist) || err == nil && !now.same(p.record) && now.running() {
		return nil
	}
	if err := os.Remove(p.file); err != nil {
		return fmt.Errorf("removing the pid file: %w", err)
	}
	return nil
}

// tidy makes the place of a new process free, which one that an interrupted start has
// left may have. If that is what serves, it takes the settled name.
func (k *processKeeper) tidy() error {
	ctx := context.Background() // nothing of it waits for others
	var settled *processInstance
	for _, p := range k.found {
		if p.file == k.pidFile() {
			settled = p
			continue
		}
		old := p
		if p.serves(settled) {
			if err := p.settle(ctx); err != nil {
				return err
			}
			old, settled = settled, p
		}
		if old == nil {
			continue
		}
		old.gone = true
		if err := errors.Join(old.stop(ctx), old.remove(ctx)); err != nil {
			return err
		}
	}
	return nil
}

// serves reports whether p is what serves, and not the settled one, which may be nil.
func (p *processInstance) serves(settled *processInstance) bool {
	if !p.record.running() {
		return false
	}
	if settled == nil || !settled.record.running() {
		return true
	}
	own, err := listenersOf(p.record.PID)
	return err == nil && len(own) > 0
}
