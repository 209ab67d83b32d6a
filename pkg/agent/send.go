package agent

import (
	"context"
	"errors"

	"github.com/daisy-mcast/daisy-mcast/pkg/agent/message"
	"github.com/daisy-mcast/daisy-mcast/pkg/imageset"
)

// callSend sends the pack once. The blobs are hashed as they are read: one that
// changed on disk ends the sending (fault 67).
func (a *agent) callSend(ctx context.Context, req message.Send) (message.SendResult, error) {
	st, set, err := a.open(req.SetID)
	if err != nil {
		return message.SendResult{}, err
	}
	c, err := a.carrierFor(req.Carrier)
	if err != nil {
		return message.SendResult{}, err
	}
	list, err := blobs(set, req.Pack)
	if err != nil {
		return message.SendResult{}, err
	}
	pack, err := imageset.NewPack(list)
	if err != nil {
		return message.SendResult{}, err
	}
	ln := a.takeListener()
	if ln == nil {
		return message.SendResult{}, errors.New("no listen call came before")
	}
	_ = a.server.Emit(message.EventOpen, message.Empty{}) // its failure is the session's end
	res, err := c.send(ctx, req, ln, source{pack, st}, a.bytes)
	res.Bytes = pack.Content(res.Bytes)
	if errors.Is(err, imageset.ErrChanged) {
		return res, problem(message.ReasonStore, err)
	}
	if err != nil {
		return res, problem(message.ReasonTransfer, err)
	}
	return res, nil
}
