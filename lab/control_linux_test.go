package lab

import (
	"bytes"
	"encoding/binary"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// controlMessage builds one header and its data, aligned as the kernel does on
// 64-bit systems.
func controlMessage(level, typ int32, data []byte) []byte {
	b := binary.NativeEndian.AppendUint64(nil, uint64(16+len(data)))
	b = binary.NativeEndian.AppendUint32(b, uint32(level))
	b = binary.NativeEndian.AppendUint32(b, uint32(typ))
	b = append(b, data...)
	return append(b, make([]byte, -len(b)&7)...)
}

func auxdata(status uint32, tci, tpid uint16) []byte {
	b := binary.NativeEndian.AppendUint32(nil, status)
	b = append(b, make([]byte, 12)...)
	b = binary.NativeEndian.AppendUint16(b, tci)
	return binary.NativeEndian.AppendUint16(b, tpid)
}

func TestParseControl(t *testing.T) {
	stamp := binary.NativeEndian.AppendUint64(nil, 1700000000)
	stamp = binary.NativeEndian.AppendUint64(stamp, 5)
	oob := bytes.Join([][]byte{
		controlMessage(unix.SOL_SOCKET, unix.SO_TIMESTAMPNS, stamp),
		controlMessage(unix.SOL_PACKET, unix.PACKET_AUXDATA, auxdata(statusVLANValid|statusTPIDValid, 42, 0x88a8)),
	}, nil)
	want := control{at: time.Unix(1700000000, 5), vlan: true, tci: 42, tpid: 0x88a8}
	if got := parseControl(oob); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
	if got := parseControl(controlMessage(unix.SOL_PACKET, unix.PACKET_AUXDATA, auxdata(0, 42, 1))); got.vlan {
		t.Errorf("%+v, want no VLAN tag", got)
	}
	if got := parseControl(controlMessage(unix.SOL_PACKET, unix.PACKET_AUXDATA, auxdata(statusVLANValid, 42, 0))); got.tpid != 0x8100 {
		t.Errorf("%+v, want tag protocol 0x8100", got)
	}
}

func FuzzParseControl(f *testing.F) {
	f.Add([]byte{})
	f.Add(controlMessage(unix.SOL_SOCKET, unix.SO_TIMESTAMPNS, make([]byte, 16)))
	f.Add(controlMessage(unix.SOL_SOCKET, unix.SO_TIMESTAMPNS, make([]byte, 8)))
	f.Add(controlMessage(unix.SOL_PACKET, unix.PACKET_AUXDATA, auxdata(statusVLANValid, 42, 0)))
	f.Fuzz(func(t *testing.T, b []byte) { parseControl(b) })
}

func FuzzValidID(f *testing.F) {
	for _, s := range []string{"1-2-3", "", "--", "1-2-x", "../1-2-3", "1-2-3-4"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if validID(s) && bytes.ContainsAny([]byte(s), "/.*?[\\") {
			t.Errorf("%q is taken for an id", s)
		}
	})
}
