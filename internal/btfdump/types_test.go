package btfdump

import "github.com/cilium/ebpf/btf"

// The C types of the tests, as clang describes them.
var (
	tU8    = &btf.Typedef{Name: "__u8", Type: &btf.Int{Name: "unsigned char", Size: 1}}
	tU16   = &btf.Typedef{Name: "__u16", Type: &btf.Int{Name: "unsigned short", Size: 2}}
	tU32   = &btf.Typedef{Name: "__u32", Type: &btf.Int{Name: "unsigned int", Size: 4}}
	tU64   = &btf.Typedef{Name: "__u64", Type: &btf.Int{Name: "unsigned long long", Size: 8}}
	tU128  = &btf.Int{Name: "unsigned __int128", Size: 16}
	tInt   = &btf.Int{Name: "int", Size: 4, Encoding: btf.Signed}
	tChar  = &btf.Int{Name: "char", Size: 1, Encoding: btf.Signed}
	tBool  = &btf.Int{Name: "_Bool", Size: 1, Encoding: btf.Bool}
	tBe16  = &btf.Typedef{Name: "__be16", Type: tU16}
	tBe32  = &btf.Typedef{Name: "__be32", Type: tU32}
	tFloat = &btf.Float{Name: "double", Size: 8}
	tProto = &btf.Enum{Name: "proto", Size: 4, Values: []btf.EnumValue{{Name: "ICMP", Value: 1}, {Name: "TCP", Value: 6}, {Name: "UDP", Value: 17}}}
	tSign  = &btf.Enum{Name: "sign", Size: 4, Signed: true, Values: []btf.EnumValue{{Name: "MINUS", Value: ^uint64(0)}, {Name: "PLUS", Value: 1}}}
	tIn6   = &btf.Struct{Name: "in6_addr", Size: 16, Members: []btf.Member{{Name: "in6_u", Type: &btf.Union{Size: 16, Members: []btf.Member{{Name: "u6_addr32", Type: arrayOf(tBe32, 4)}}}}}}

	tBits = &btf.Struct{Name: "bits", Size: 4, Members: []btf.Member{
		{Name: "version", Type: tU32, Offset: 0, BitfieldSize: 4},
		{Name: "delta", Type: tInt, Offset: 4, BitfieldSize: 5},
		{Name: "proto", Type: tProto, Offset: 9, BitfieldSize: 6},
		{Name: "flag", Type: tBool, Offset: 15, BitfieldSize: 1},
		{Name: "rest", Type: tU32, Offset: 16, BitfieldSize: 16},
	}}
	tEntry = &btf.Struct{Name: "entry", Size: 32, Members: []btf.Member{
		{Name: "packets", Type: tU64, Offset: 0},
		{Name: "proto", Type: &btf.Const{Type: tProto}, Offset: 64},
		{Name: "src", Type: tBe32, Offset: 96},
		{Type: &btf.Union{Size: 8, Members: []btf.Member{
			{Name: "word", Type: tU64},
			{Type: &btf.Struct{Size: 4, Members: []btf.Member{{Name: "sport", Type: tBe16}, {Name: "dport", Type: tBe16, Offset: 16}}}},
		}}, Offset: 128},
		{Name: "name", Type: arrayOf(tChar, 8), Offset: 192},
	}}
)

func arrayOf(t btf.Type, n uint32) *btf.Array {
	return &btf.Array{Index: tInt, Type: t, Nelems: n}
}
