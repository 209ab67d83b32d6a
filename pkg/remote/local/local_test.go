package local_test

import (
	"testing"

	"github.com/daisy-mcast/daisy-mcast/pkg/remote"
	"github.com/daisy-mcast/daisy-mcast/pkg/remote/local"
	"github.com/daisy-mcast/daisy-mcast/pkg/remote/remotetest"
)

func TestConformance(t *testing.T) {
	remotetest.Run(t, func(*testing.T) remote.Host { return local.New("here") })
}
