package wire

import (
	"fmt"
	"net/netip"
	"time"
)

// A Mode says what the sender sends.
type Mode uint8

// The modes.
const (
	// File is a source that can be read again: its size is known, and a late
	// receiver gets what it missed.
	File Mode = 1
	// Stream is a source that is read once: its size is known at the end, and
	// only a window of it can be sent again.
	Stream Mode = 2
)

// String returns the mode's name.
func (m Mode) String() string {
	switch m {
	case File:
		return "file"
	case Stream:
		return "stream"
	}
	return fmt.Sprintf("mode %d", uint8(m))
}

// A Welcome takes a receiver into a session: the sender's answer to its HELLO.
type Welcome struct {
	Version uint8
	Session SessionID
	Key     Key
	// Group is where packets go: an IPv4 multicast address and a port.
	Group    netip.AddrPort
	Geometry Geometry
	Mode     Mode
	// Size is the stream's bytes in File mode, 0 in Stream mode.
	Size uint64
	// Window is the number of blocks that the sender can send again in Stream
	// mode, 0 in File mode.
	Window uint32
	// ReportInterval is the time between two REPORTs, in whole microseconds.
	ReportInterval time.Duration
}

// Type returns TypeWelcome.
func (Welcome) Type() MessageType { return TypeWelcome }

func (w Welcome) appendBody(dst []byte) []byte {
	mustBe(w.check() == nil, "a WELCOME")
	group := w.Group.Addr().As4()
	dst = append(dst, w.Version)
	dst = append(dst, w.Session[:]...)
	dst = append(dst, w.Key[:]...)
	dst = append(dst, group[:]...)
	dst = be.AppendUint16(dst, w.Group.Port())
	dst = be.AppendUint16(dst, w.Geometry.Payload)
	dst = be.AppendUint16(dst, BlockPackets)
	dst = be.AppendUint16(dst, SegmentBlocks)
	dst = append(dst, byte(w.Mode))
	dst = be.AppendUint64(dst, w.Size)
	dst = be.AppendUint32(dst, w.Window)
	return be.AppendUint32(dst, uint32(w.ReportInterval/time.Microsecond))
}

func parseWelcome(d *decoder) Welcome {
	var w Welcome
	w.Version = d.u8()
	copy(w.Session[:], d.take(len(w.Session)))
	copy(w.Key[:], d.take(len(w.Key)))
	var group [4]byte
	copy(group[:], d.take(len(group)))
	w.Group = netip.AddrPortFrom(netip.AddrFrom4(group), d.u16())
	w.Geometry.Payload = d.u16()
	if block, segment := d.u16(), d.u16(); d.err == nil && (block != BlockPackets || segment != SegmentBlocks) {
		d.failf("blocks of %d packets, segments of %d blocks", block, segment)
	}
	w.Mode = Mode(d.u8())
	w.Size = d.u64()
	w.Window = d.u32()
	w.ReportInterval = time.Duration(d.u32()) * time.Microsecond
	if d.err == nil {
		d.err = w.check()
	}
	return w
}

// check returns what is out of bounds.
func (w Welcome) check() error {
	if err := w.Geometry.Validate(); err != nil {
		return err
	}
	switch addr := w.Group.Addr(); {
	case w.Version != Version:
		return fmt.Errorf("%w: version %d, which was not offered", ErrFormat, w.Version)
	case !addr.Is4() || !addr.IsMulticast() || w.Group.Port() == 0:
		return fmt.Errorf("%w: group %v", ErrFormat, w.Group)
	case w.Mode == File && w.Window == 0 && w.Size <= w.Geometry.MaxSize():
	case w.Mode == Stream && w.Size == 0 && w.Window > 0 && w.Window <= MaxBlocks:
	default:
		return fmt.Errorf("%w: %v with size %d and window %d", ErrFormat, w.Mode, w.Size, w.Window)
	}
	if w.ReportInterval < MinReportInterval || w.ReportInterval > MaxReportInterval {
		return fmt.Errorf("%w: report interval %v", ErrFormat, w.ReportInterval)
	}
	return nil
}
