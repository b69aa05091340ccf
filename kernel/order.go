package kernel

import "encoding/binary"

// nativeOrder is the machine's byte order, as the value that other packages
// compare with; binary.NativeEndian is a third one.
func nativeOrder() binary.ByteOrder {
	if binary.NativeEndian.Uint16([]byte{1, 0}) == 1 {
		return binary.LittleEndian
	}
	return binary.BigEndian
}
