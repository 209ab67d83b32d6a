package cli

import (
	"fmt"
	"path"
	"strings"

	"github.com/spf13/pflag"

	"github.com/daisy-mcast/daisy-mcast/pkg/deploy"
)

// preloadFlags are about images that hosts' engines get before Kolla asks.
type preloadFlags struct {
	all    bool
	images []string // [ROLE=]PATTERN
}

func (f *preloadFlags) AddFlags(fs *pflag.FlagSet) {
	fs.BoolVar(&f.all, "preload", false, "have the hosts' engines get the images too, under the names that Kolla will use; all of them unless --preload-image or the host list's preload says which")
	fs.StringArrayVar(&f.images, "preload-image", nil, "preload only images like `[ROLE=]PATTERN`, as in '*-nova-*' or 'COMPUTER=*-nova-compute'; may be repeated")
}

func (f *preloadFlags) apply(cfg *deploy.Config, _ deployment) error {
	cfg.Preload = f.all || len(f.images) > 0
	for _, text := range f.images {
		rule := deploy.PreloadRule{Pattern: text}
		if role, pattern, ok := strings.Cut(text, "="); ok {
			rule = deploy.PreloadRule{Role: role, Pattern: pattern}
		}
		if _, err := path.Match(rule.Pattern, ""); err != nil || rule.Pattern == "" {
			return fmt.Errorf("--preload-image %q: want [ROLE=]PATTERN, with *, ? and [...] in the pattern", text)
		}
		cfg.PreloadImages = append(cfg.PreloadImages, rule)
	}
	return nil
}
