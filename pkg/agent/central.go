package agent

import (
	"context"
	"net/netip"
	"path/filepath"

	"github.com/daisy-mcast/daisy-mcast/pkg/agent/message"
	"github.com/daisy-mcast/daisy-mcast/pkg/launch"
	"github.com/daisy-mcast/daisy-mcast/pkg/registry"
)

// callCentral switches the sender's store to the set and serves it to all hosts
// over TLS: the failsafe, before anything is sent (R11, R12).
func (a *agent) callCentral(ctx context.Context, req message.Central) (registry.Upstream, error) {
	st, set, err := a.open(req.SetID)
	if err != nil {
		return registry.Upstream{}, err
	}
	if err := st.Activate(set.ID); err != nil {
		return registry.Upstream{}, problem(message.ReasonStore, err)
	}
	spec, err := a.spec()
	if err != nil {
		return registry.Upstream{}, err
	}
	spec.CertDir = filepath.Join(spec.BaseDir, "tls")
	cert, err := registry.EnsureCertificate(spec.CertDir, []netip.Addr{req.Listen.Addr()})
	if err != nil {
		return registry.Upstream{}, problem(message.ReasonStore, err)
	}
	spec.Listen = nil
	if req.Local.IsValid() {
		spec.Listen = []netip.AddrPort{req.Local}
	}
	spec.TLSListen = []netip.AddrPort{req.Listen}
	status, err := launch.Start(ctx, spec)
	if err != nil {
		return registry.Upstream{}, startProblem(err)
	}
	if !status.SurvivesReboot {
		a.note("the central registry runs as a %s and does not come back after a reboot", status.Mode)
	}
	a.mu.Lock()
	a.activated = true
	a.mu.Unlock()
	return registry.Upstream{URL: "https://" + req.Listen.String(), CA: cert.CAPEM}, nil
}
