package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"

	"github.com/spf13/cobra"

	"github.com/daisy-mcast/daisy-mcast/pkg/agent"
	"github.com/daisy-mcast/daisy-mcast/pkg/agent/message"
	"github.com/daisy-mcast/daisy-mcast/pkg/deploy"
	"github.com/daisy-mcast/daisy-mcast/pkg/imageset/sample"
	"github.com/daisy-mcast/daisy-mcast/pkg/launch"
	"github.com/daisy-mcast/daisy-mcast/pkg/progress"
	"github.com/daisy-mcast/daisy-mcast/pkg/remote"
	"github.com/daisy-mcast/daisy-mcast/pkg/remote/local"
)

type demoOptions struct {
	hosts    int
	dir      string
	progress string
	protocol string
}

func newDemoCommand(std *streams) *cobra.Command {
	var opt demoOptions
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Show the whole job on this machine alone: no root, no Docker",
		Long: `Make a small bundle, distribute it to hosts that are directories and loopback
addresses of this machine, kill one host's agent while the images are on their way,
and pull an image from every host's registry. Everything is removed afterwards.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return runDemo(cmd.Context(), std, opt)
		},
	}
	cmd.Flags().IntVar(&opt.hosts, "hosts", 4, "how many hosts, 2 to 16")
	cmd.Flags().StringVar(&opt.dir, "dir", "", "where to make the hosts' directories; default a temporary directory")
	cmd.Flags().StringVar(&opt.protocol, "protocol", agent.Protocols()[0], "how the bytes travel: "+strings.Join(agent.Protocols(), ", "))
	cmd.Flags().StringVar(&opt.progress, "progress", "auto", "auto, tty, plain, json or none")
	return cmd
}

// The demo's figures: a payload that takes some seconds, so that it can be
// watched and a host can fail in the middle.
const (
	demoLayer = 4 << 20     // bytes
	demoRate  = 160_000_000 // bits a second
	demoTag   = "6.0.0"
)

func runDemo(ctx context.Context, std *streams, opt demoOptions) (err error) {
	if opt.hosts < 2 || opt.hosts > 16 {
		return usage(fmt.Errorf("--hosts %d: want 2 to 16", opt.hosts), "")
	}
	if !slices.Contains(agent.Protocols(), opt.protocol) {
		return usage(fmt.Errorf("--protocol %q: want one of %s", opt.protocol, strings.Join(agent.Protocols(), ", ")), "")
	}
	mode, err := progress.ParseMode(opt.progress)
	if err != nil {
		return usage(err, "")
	}
	dir, err := os.MkdirTemp(opt.dir, "daisy-mcast-demo-")
	if err != nil {
		return err
	}
	d := &demo{std: std, dir: dir}
	defer func() { err = errors.Join(err, d.remove(context.WithoutCancel(ctx))) }()
	cfg, err := d.config(ctx, opt.hosts, opt.protocol)
	if err != nil {
		return err
	}
	view := openProgress(std, mode)
	d.view = view
	cfg.Progress = demoSink{view, d}
	rep, err := deploy.Run(ctx, cfg)
	_ = view.Close()
	if err != nil {
		return distributeExit(rep, err)
	}
	if err := writeReport(std, distributeOptions{output: outputTable}, rep); err != nil {
		return err
	}
	return d.pullEverywhere(ctx, rep)
}

// demo is one demonstration: its directory, its hosts and the one that fails.
type demo struct {
	std   *streams
	dir   string
	hosts []deploy.Host
	specs []launch.Spec // of the registries, to stop them
	kill  sync.Once
	view  progress.Sink
}

// victim is a host whose first session can be killed.
type victim struct {
	remote.Host
	mu    sync.Mutex
	first *remote.Session
}

// Start keeps the first session.
func (v *victim) Start(ctx context.Context, command string) (*remote.Session, error) {
	s, err := v.Host.Start(ctx, command)
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.first == nil {
		v.first = s
	}
	return s, err
}

// demoSink kills the victim's agent as soon as images are on their way.
type demoSink struct {
	progress.Sink
	demo *demo
}

// Event passes e on.
func (s demoSink) Event(e progress.Event) {
	s.Sink.Event(e)
	if e.Kind == progress.Bytes && len(e.Received) > 0 {
		s.demo.kill.Do(s.demo.killVictim)
	}
}

func (d *demo) killVictim() {
	v := d.hosts[len(d.hosts)-1].Remote.(*victim)
	v.mu.Lock()
	defer v.mu.Unlock()
	s := v.first
	go s.Kill()
	d.view.Event(progress.Event{Kind: progress.Log, Message: v.Name() + "'s agent is killed now, to show what becomes of the host"})
}

func (d *demo) config(ctx context.Context, n int, protocol string) (deploy.Config, error) {
	bundle := filepath.Join(d.dir, "kolla-image-demo.tgz")
	if err := d.writeBundle(bundle); err != nil {
		return deploy.Config{}, fmt.Errorf("making a bundle: %w", err)
	}
	ports, err := freePorts(ctx, n)
	if err != nil {
		return deploy.Config{}, err
	}
	self := netip.AddrFrom4([4]byte{127, 0, 0, 1})
	for i := range n {
		addr := netip.AddrFrom4([4]byte{127, 0, 0, byte(2 + i)})
		name := fmt.Sprintf("host%02d", i+1)
		h := deploy.Host{
			Name: name, Address: addr, Remote: local.New(name),
			Listen: netip.AddrPortFrom(addr, ports.registry), BaseDir: filepath.Join(d.dir, name),
		}
		if i == n-1 {
			h.Remote = &victim{Host: h.Remote}
		}
		d.hosts = append(d.hosts, h)
		d.specs = append(d.specs, launch.Spec{BaseDir: h.BaseDir, Mode: launch.Process})
	}
	central := filepath.Join(d.dir, "deploy-server")
	d.specs = append(d.specs, launch.Spec{BaseDir: central, Mode: launch.Process})
	return deploy.Config{
		Hosts:        d.hosts,
		Sender:       deploy.Host{Name: "this machine", Remote: local.New("this machine"), BaseDir: central},
		LocalIP:      self,
		Bundle:       bundle,
		BaseDir:      d.dir,
		RegistryName: launch.DefaultName,
		RegistryMode: string(launch.Process),
		Programs:     newPrograms("").forArch,
		Central:      netip.AddrPortFrom(self, ports.central),
		Carrier: message.Carrier{
			Protocol: protocol, TTL: 1,
			Sender: netip.AddrPortFrom(self, ports.carrier),
			Group:  netip.AddrPortFrom(defaultGroup(protocol), ports.carrier),
		},
		MaxRate: demoRate,
	}, nil
}

func (d *demo) writeBundle(path string) error {
	var b bytes.Buffer
	err := sample.Write(&b, sample.Options{
		Images: []string{
			"centos-binary-keystone", "centos-binary-nova-api", "centos-binary-nova-compute",
			"centos-binary-neutron-server", "centos-binary-glance-api", "centos-binary-mariadb",
		},
		Tag: demoTag, LayerSize: demoLayer, SharedLayers: 3, Architecture: runtime.GOARCH,
	})
	if err != nil {
		return err
	}
	return os.WriteFile(path, b.Bytes(), 0o600)
}

type demoPorts struct{ registry, central, carrier uint16 }

// freePorts finds a port that is free on all hosts' addresses, 4000 if it can be,
// and two for the sender.
func freePorts(ctx context.Context, hosts int) (demoPorts, error) {
	var p demoPorts
	var taken []net.Listener
	var lc net.ListenConfig
	defer func() {
		for _, ln := range taken {
			ln.Close()
		}
	}()
	free := func(port uint16, first, last byte) bool {
		for b := first; b <= last; b++ {
			ln, err := lc.Listen(ctx, "tcp4", fmt.Sprintf("127.0.0.%d:%d", b, port))
			if err != nil {
				return false
			}
			taken = append(taken, ln)
		}
		return true
	}
	for port := uint16(4000); port < 4100; port++ {
		switch {
		case p.registry == 0 && free(port, 2, byte(1+hosts)):
			p.registry = port
		case p.registry != 0 && p.central == 0 && free(port, 1, 1):
			p.central = port
		case p.central != 0 && free(port, 1, 1):
			p.carrier = port
			return p, nil
		}
	}
	return p, errors.New("no free ports between 4000 and 4099 on loopback")
}

// remove stops what runs and deletes the directory.
func (d *demo) remove(ctx context.Context) error {
	var errs []error
	for _, s := range d.specs {
		if _, err := os.Stat(s.BaseDir); err == nil {
			errs = append(errs, launch.Stop(ctx, s, true))
		}
	}
	return errors.Join(append(errs, os.RemoveAll(d.dir))...)
}
