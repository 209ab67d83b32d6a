package cli

import (
	"errors"
	"path/filepath"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/daisy-mcast/daisy-mcast/pkg/engine"
	"github.com/daisy-mcast/daisy-mcast/pkg/launch"
)

func newRegistryCommand(std *streams) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "registry",
		Short: "Run the registry that is inside this program",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(
		newRegistryServeCommand(std),
		newRegistryStartCommand(std),
		newRegistryStopCommand(std),
		newRegistryStatusCommand(std),
		newRegistryVerifyCommand(std),
		newRegistryGCCommand(std),
	)
	return cmd
}

// registrySpecFlags say which registry start, stop and status are about.
type registrySpecFlags struct {
	name, baseDir, mode, engine string
}

func (f *registrySpecFlags) AddFlags(fs *pflag.FlagSet) {
	fs.StringVar(&f.name, "name", launch.DefaultName, "`NAME` of the container or unit")
	fs.StringVar(&f.baseDir, "base-dir", launch.DefaultBaseDir, "our `DIR` on this machine")
	fs.StringVar(&f.mode, "mode", string(launch.Auto), "auto, container, service or process")
	fs.StringVar(&f.engine, "engine", string(engine.Auto), "auto, docker or podman")
}

func (f *registrySpecFlags) spec() (launch.Spec, error) {
	base, err := filepath.Abs(f.baseDir)
	if err != nil {
		return launch.Spec{}, err
	}
	return launch.Spec{
		Name: f.name, BaseDir: base, Mode: launch.Mode(f.mode),
		Engine: engine.Config{Kind: engine.Kind(f.engine)},
	}, nil
}

// registryError gives an error of package launch its exit code and hint.
func registryError(err error) error {
	var port *launch.PortError
	switch {
	case errors.Is(err, launch.ErrSpec):
		return usage(err, "")
	case errors.As(err, &port):
		return &ExitError{Code: ExitFailed, Err: err, Hint: "end that program, or choose another address with --listen"}
	case errors.Is(err, engine.ErrNoEngine), errors.Is(err, engine.ErrNotResponding), errors.Is(err, engine.ErrPermission):
		return &ExitError{Code: ExitFailed, Err: err, Hint: "mend the engine, or choose --mode service or --mode process"}
	case errors.Is(err, launch.ErrNotReady):
		return &ExitError{Code: ExitFailed, Err: err}
	}
	return err
}
