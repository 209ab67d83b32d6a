package cli

import (
	"encoding/json"

	"github.com/daisy-mcast/daisy-mcast/pkg/atomicfile"
	"github.com/daisy-mcast/daisy-mcast/pkg/transfer"
	"github.com/daisy-mcast/daisy-mcast/pkg/wire"
)

// sendReportSchema grows when a field is taken away or changes its meaning.
const sendReportSchema = 1

// A sendReport is what `send --report` writes; docs/OPERATIONS.md explains it.
type sendReport struct {
	Schema    int            `json:"schema"`
	Error     string         `json:"error,omitempty"`
	Bytes     int64          `json:"bytes"`
	Seconds   float64        `json:"seconds"`
	Packets   uint64         `json:"packets"`
	Parity    uint64         `json:"parity_packets"`
	Repeated  uint64         `json:"repeated_packets"`
	Single    uint64         `json:"single_packets"`
	Unsent    uint64         `json:"unsent_packets"`
	Receivers []sentReceiver `json:"receivers"`
}

// A sentReceiver is what became of one receiver, by its own last account.
type sentReceiver struct {
	Name     string `json:"name"`
	Outcome  string `json:"outcome"` // done or failed
	Reason   string `json:"reason,omitempty"`
	Detached string `json:"detached,omitempty"` // why the others did not wait for it

	Received    uint64 `json:"received_packets"`
	Duplicates  uint64 `json:"duplicate_packets"`
	Overflow    uint64 `json:"overflowed_packets"` // by the socket's buffer
	BadTags     uint64 `json:"forged_packets"`     // damaged or forged
	NoRoom      uint64 `json:"no_room_packets"`    // its disk or reader was behind
	Marked      uint64 `json:"marked_packets"`     // by the network, as congested
	BadSegments uint64 `json:"bad_segments"`
}

func newSendReport(r transfer.SendResult, err error) sendReport {
	out := sendReport{
		Schema: sendReportSchema, Bytes: r.Size, Seconds: r.Elapsed.Seconds(), Packets: r.Packets,
		Parity: r.Parity, Repeated: r.Repeated, Single: r.Repairs, Unsent: r.Unsent, Receivers: []sentReceiver{},
	}
	if err != nil {
		out.Error = err.Error()
	}
	for _, h := range r.Hosts {
		out.Receivers = append(out.Receivers, newSentReceiver(h))
	}
	return out
}

func newSentReceiver(h transfer.HostResult) sentReceiver {
	var c wire.Counters = h.Counters
	s := sentReceiver{
		Name: h.Name, Outcome: "done", Received: c.Received, Duplicates: c.Duplicates, Overflow: c.Overflow,
		BadTags: c.BadTags, NoRoom: c.NoRoom, Marked: c.CEMarks, BadSegments: c.BadSegments,
	}
	if !h.Done {
		s.Outcome, s.Reason = "failed", because(h.Reason, h.Text)
	}
	if h.Detached != 0 {
		s.Detached = h.Detached.String()
	}
	return s
}

// writeSendReport writes the report to a file, if one is named.
func writeSendReport(file string, r transfer.SendResult, sendErr error) error {
	if file == "" {
		return nil
	}
	text, err := json.MarshalIndent(newSendReport(r, sendErr), "", "  ")
	if err != nil {
		return err
	}
	return atomicfile.Put(file, append(text, '\n'), 0o644)
}
