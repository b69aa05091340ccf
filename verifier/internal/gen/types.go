package gen

import "encoding/binary"

// firstFuncID is the type of the first function in what funcTypes makes.
const firstFuncID = 3

// funcTypes is BTF for n functions of no parameters that return an int
// (Documentation/bpf/btf.rst, Linux 6.18): 1 is int, 2 the prototype, the functions
// follow. The kernel asks for types before it takes the address of a function.
func funcTypes(n int) []byte {
	strs := []byte("\x00int\x00")
	var types []byte
	u32 := func(v ...uint32) {
		for _, x := range v {
			types = binary.NativeEndian.AppendUint32(types, x)
		}
	}
	const (
		kindInt, kindFunc, kindProto = 1 << 24, 12 << 24, 13 << 24
		signed32                     = 1<<24 | 32
	)
	u32(1, kindInt, 4, signed32)
	u32(0, kindProto, 1)
	for i := range n {
		u32(uint32(len(strs)), kindFunc, 2)
		strs = append(append(strs, funcName(i)...), 0)
	}
	const headerSize = 24
	out := binary.NativeEndian.AppendUint16(nil, 0xeb9f)
	out = append(out, 1, 0) // version, flags
	for _, v := range []int{headerSize, 0, len(types), len(types), len(strs)} {
		out = binary.NativeEndian.AppendUint32(out, uint32(v))
	}
	return append(append(out, types...), strs...)
}
