package enginetest

import (
	"bytes"
	"encoding/binary"
)

// sleeper returns a static Linux program of some 150 bytes that sleeps until it
// is killed, so that a test of a real engine needs no compiler. It is nil for
// an architecture that it does not know.
func sleeper(arch string) []byte {
	machine, code := uint16(0), []byte(nil)
	switch arch {
	case "amd64":
		machine = 62 // EM_X86_64
		code = []byte{
			0xb8, 0x22, 0, 0, 0, // mov eax, 34 (pause)
			0x0f, 0x05, // syscall
			0xeb, 0xf7, // jmp to the start
		}
	case "arm64":
		machine = 183 // EM_AARCH64
		for _, op := range []uint32{
			0xd2800000, 0xd2800001, 0xd2800002, 0xd2800003, 0xd2800004, // mov x0..x4, 0
			0xd2800928, // mov x8, 73 (ppoll)
			0xd4000001, // svc 0
			0x17fffff9, // b to the start
		} {
			code = binary.LittleEndian.AppendUint32(code, op)
		}
	default:
		return nil
	}
	return elf(machine, code)
}

// elf wraps code as an ELF64 executable of one segment (elf(5)).
func elf(machine uint16, code []byte) []byte {
	const base, headers = 0x400000, 64 + 56
	var b bytes.Buffer
	b.Write([]byte{0x7f, 'E', 'L', 'F', 2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0})
	put := func(fields ...any) {
		for _, f := range fields {
			// A bytes.Buffer takes everything.
			_ = binary.Write(&b, binary.LittleEndian, f)
		}
	}
	put(uint16(2), machine, uint32(1))                                          // ET_EXEC
	put(uint64(base+headers), uint64(64), uint64(0), uint32(0))                 // entry, phoff, shoff, flags
	put(uint16(64), uint16(56), uint16(1), uint16(64), uint16(0), uint16(0))    // sizes and counts
	put(uint32(1), uint32(5), uint64(0), uint64(base), uint64(base))            // PT_LOAD, R+X
	put(uint64(headers+len(code)), uint64(headers+len(code)), uint64(0x200000)) // sizes, alignment
	b.Write(code)
	return b.Bytes()
}
