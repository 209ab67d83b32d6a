package main

import (
	"context"
	"errors"

	"github.com/daisy-mcast/daisy-mcast/pkg/imageset"
	"github.com/daisy-mcast/daisy-mcast/pkg/store"
)

// importCommand makes this program import a bundle as the sender's agent does.
const importCommand = "import"

func importMain(args []string) error {
	if len(args) != 2 {
		return errors.New("usage: bench import BUNDLE STORE")
	}
	st, err := store.Create(store.Config{Dir: args[1]})
	if err != nil {
		return err
	}
	set, err := imageset.Import(context.Background(), args[0], st, imageset.ImportOptions{})
	if err == nil {
		err = st.Activate(set.ID)
	}
	return errors.Join(err, st.Close())
}
