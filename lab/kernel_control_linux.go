package lab

import (
	"encoding/binary"
	"time"

	"golang.org/x/sys/unix"
)

// control is what comes with a frame read from a packet socket.
type control struct {
	at        time.Time
	vlan      bool
	tci, tpid uint16
}

// statusVLANValid and statusTPIDValid are bits of tpacket_auxdata.tp_status
// (linux/if_packet.h).
const (
	statusVLANValid = 1 << 4
	statusTPIDValid = 1 << 6
)

// parseControl reads the ancillary data of recvmsg(2).
func parseControl(oob []byte) control {
	var c control
	msgs, err := unix.ParseSocketControlMessage(oob)
	if err != nil {
		return c
	}
	for _, m := range msgs {
		switch {
		case m.Header.Level == unix.SOL_SOCKET && m.Header.Type == unix.SO_TIMESTAMPNS && len(m.Data) >= 16:
			c.at = time.Unix(int64(binary.NativeEndian.Uint64(m.Data)), int64(binary.NativeEndian.Uint64(m.Data[8:])))
		case m.Header.Level == unix.SOL_SOCKET && m.Header.Type == unix.SO_TIMESTAMPNS && len(m.Data) >= 8:
			c.at = time.Unix(int64(binary.NativeEndian.Uint32(m.Data)), int64(binary.NativeEndian.Uint32(m.Data[4:])))
		case m.Header.Level == unix.SOL_PACKET && m.Header.Type == unix.PACKET_AUXDATA && len(m.Data) >= 20:
			// Linux keeps an outer VLAN tag beside the frame.
			status := binary.NativeEndian.Uint32(m.Data)
			c.vlan = status&statusVLANValid != 0
			c.tci = binary.NativeEndian.Uint16(m.Data[16:])
			c.tpid = unix.ETH_P_8021Q
			if status&statusTPIDValid != 0 {
				c.tpid = binary.NativeEndian.Uint16(m.Data[18:])
			}
		}
	}
	return c
}
