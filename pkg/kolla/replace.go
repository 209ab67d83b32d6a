package kolla

import (
	"crypto/rand"
	"fmt"
	"os"
)

// tempName returns a new name for a file that is not yet complete. It must not
// end in .yml, .yaml or .json: Kolla would load what we leave when we are
// killed (R13).
func tempName() string { return "." + FileName + "." + rand.Text() + ".tmp" }

// replace makes content the drop-in of root by renaming a complete file over it.
func replace(root *os.Root, content []byte) (err error) {
	temp := tempName()
	defer func() {
		if err != nil {
			root.Remove(temp)
		}
	}()
	if err := writeSynced(root, temp, content); err != nil {
		return err
	}
	if err := root.Rename(temp, FileName); err != nil {
		return err
	}
	return syncDir(root)
}

func writeSynced(root *os.Root, name string, content []byte) error {
	f, err := root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, dropInMode)
	if err != nil {
		return err
	}
	defer f.Close()                             // the second Close after a good one does nothing
	if err := f.Chmod(dropInMode); err != nil { // whatever the umask is
		return err
	}
	if _, err := f.Write(content); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	return f.Close()
}

// syncDir makes what was renamed or removed in root last through a power cut.
func syncDir(root *os.Root) error {
	d, err := root.Open(".")
	if err != nil {
		return fmt.Errorf("syncing %s: %w", root.Name(), err)
	}
	defer d.Close()
	if err := d.Sync(); err != nil {
		return fmt.Errorf("syncing %s: %w", root.Name(), err)
	}
	return nil
}
