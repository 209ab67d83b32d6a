package wire

import "fmt"

// A MessageType is the first byte of a frame.
type MessageType uint8

// The messages of the control connection. Their numbers never change.
const (
	TypeHello MessageType = iota + 1
	TypeWelcome
	TypeReady
	TypeCanaryReport
	TypeSegments
	TypeEnd
	TypeReport
	TypeMap
	TypeFetch
	TypeRepair
	TypeDetach
	TypeResume
	TypeDone
	TypeBye
	TypeBeat
)

var messageNames = [...]string{
	TypeHello: "HELLO", TypeWelcome: "WELCOME", TypeReady: "READY",
	TypeCanaryReport: "CANARY_REPORT", TypeSegments: "SEGMENTS", TypeEnd: "END",
	TypeReport: "REPORT", TypeMap: "MAP", TypeFetch: "FETCH", TypeRepair: "REPAIR",
	TypeDetach: "DETACH", TypeResume: "RESUME", TypeDone: "DONE", TypeBye: "BYE",
	TypeBeat: "BEAT",
}

// String returns the name that doc.go gives the message.
func (t MessageType) String() string {
	if t == 0 || int(t) >= len(messageNames) {
		return fmt.Sprintf("message type %d", uint8(t))
	}
	return messageNames[t]
}

// A Message is one of the control connection's messages: the struct types of
// this package that have a Type.
type Message interface {
	// Type returns the first byte of the message's frame.
	Type() MessageType
	appendBody(dst []byte) []byte
}

// parse reads a body of type t. A type that is not listed is nil.
func parse(t MessageType, d *decoder) Message {
	switch t {
	case TypeHello:
		return parseHello(d)
	case TypeWelcome:
		return parseWelcome(d)
	case TypeReady:
		return parseReady(d)
	case TypeCanaryReport:
		return parseCanaryReport(d)
	case TypeSegments:
		return parseSegments(d)
	case TypeEnd:
		return parseEnd(d)
	case TypeReport:
		return parseReport(d)
	case TypeMap:
		return parseMap(d)
	case TypeFetch:
		return parseFetch(d)
	case TypeRepair:
		return parseRepair(d)
	case TypeDetach:
		return parseDetach(d)
	case TypeResume:
		return parseResume(d)
	case TypeDone:
		return parseDone(d)
	case TypeBye:
		return parseBye(d)
	case TypeBeat:
		return parseBeat(d)
	}
	return nil
}
