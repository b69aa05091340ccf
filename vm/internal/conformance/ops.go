package conformance

import "github.com/skepdev/skep/isa"

var aluOps = map[string]uint8{
	"add": isa.OpAdd, "sub": isa.OpSub, "mul": isa.OpMul, "div": isa.OpDiv, "sdiv": isa.OpDiv,
	"or": isa.OpOr, "and": isa.OpAnd, "lsh": isa.OpLsh, "rsh": isa.OpRsh, "neg": isa.OpNeg,
	"mod": isa.OpMod, "smod": isa.OpMod, "xor": isa.OpXor, "mov": isa.OpMov, "arsh": isa.OpArsh,
}

var jumpOps = map[string]uint8{
	"jeq": isa.OpJEQ, "jgt": isa.OpJGT, "jge": isa.OpJGE, "jset": isa.OpJSET, "jne": isa.OpJNE,
	"jsgt": isa.OpJSGT, "jsge": isa.OpJSGE, "jlt": isa.OpJLT, "jle": isa.OpJLE,
	"jslt": isa.OpJSLT, "jsle": isa.OpJSLE,
}

var memoryOps = map[string]uint8{
	"ldxb": isa.ClassLDX | isa.ModeMEM | isa.SizeB, "ldxh": isa.ClassLDX | isa.ModeMEM | isa.SizeH,
	"ldxw": isa.ClassLDX | isa.ModeMEM | isa.SizeW, "ldxdw": isa.ClassLDX | isa.ModeMEM | isa.SizeDW,
	"ldxsb": isa.ClassLDX | isa.ModeMEMSX | isa.SizeB, "ldxsh": isa.ClassLDX | isa.ModeMEMSX | isa.SizeH,
	"ldxsw": isa.ClassLDX | isa.ModeMEMSX | isa.SizeW,
	"stb":   isa.ClassST | isa.ModeMEM | isa.SizeB, "sth": isa.ClassST | isa.ModeMEM | isa.SizeH,
	"stw": isa.ClassST | isa.ModeMEM | isa.SizeW, "stdw": isa.ClassST | isa.ModeMEM | isa.SizeDW,
	"stxb": isa.ClassSTX | isa.ModeMEM | isa.SizeB, "stxh": isa.ClassSTX | isa.ModeMEM | isa.SizeH,
	"stxw": isa.ClassSTX | isa.ModeMEM | isa.SizeW, "stxdw": isa.ClassSTX | isa.ModeMEM | isa.SizeDW,
}

var byteOrders = map[string]isa.Instruction{
	"be16": {Op: isa.ToBE, Imm: 16}, "be32": {Op: isa.ToBE, Imm: 32}, "be64": {Op: isa.ToBE, Imm: 64},
	"le16": {Op: isa.ToLE, Imm: 16}, "le32": {Op: isa.ToLE, Imm: 32}, "le64": {Op: isa.ToLE, Imm: 64},
	"swap16": {Op: isa.Bswap, Imm: 16}, "swap32": {Op: isa.Bswap, Imm: 32}, "swap64": {Op: isa.Bswap, Imm: 64},
	"bswap16": {Op: isa.Bswap, Imm: 16}, "bswap32": {Op: isa.Bswap, Imm: 32}, "bswap64": {Op: isa.Bswap, Imm: 64},
}

var atomicOps = map[string]int32{
	"add": isa.AtomicAdd, "or": isa.AtomicOr, "and": isa.AtomicAnd, "xor": isa.AtomicXor,
	"xchg": isa.AtomicXchg, "cmpxchg": isa.AtomicCmpXchg,
}
