package daisyconfig

import (
	"errors"
	"fmt"
	"os"

	"github.com/daisy-mcast/daisy-mcast/pkg/pyyaml"
)

// Load reads and checks deploy.yml and, unless networkFile is "", network.yml.
// The error holds everything that is wrong in both, a *pyyaml.Error each.
func Load(deployFile, networkFile string) (*Config, error) {
	c, deployErr := loadDeploy(deployFile)
	if networkFile == "" {
		return c, deployErr
	}
	network, warnings, networkErr := loadNetwork(networkFile)
	if err := errors.Join(deployErr, networkErr); err != nil {
		return nil, err
	}
	c.Network = network
	c.Warnings = append(c.Warnings, warnings...)
	return c, nil
}

func loadDeploy(path string) (*Config, error) {
	doc, err := pyyaml.Load(path)
	if err != nil {
		return nil, err
	}
	c := readDeploy(doc)
	if err := doc.Err(); err != nil {
		return nil, err
	}
	warnIfExposed(doc, path)
	c.Warnings = doc.Warnings()
	return c, nil
}

func loadNetwork(path string) (*Network, []Warning, error) {
	doc, err := pyyaml.Load(path)
	if err != nil {
		return nil, nil, err
	}
	n := readNetwork(doc)
	return n, doc.Warnings(), doc.Err()
}

// warnIfExposed warns of a file whose passwords other users can read. Every
// deploy.yml has one: daisy_passwd is required.
func warnIfExposed(doc *pyyaml.Document, path string) {
	info, err := os.Stat(path)
	if err == nil && info.Mode().IsRegular() && info.Mode().Perm()&0o044 != 0 {
		doc.Warn(fmt.Sprintf("holds passwords and can be read by other users (mode %04o); chmod 600 it",
			info.Mode().Perm()))
	}
}
