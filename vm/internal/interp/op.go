package interp

// Op is a decoded operation.
type Op struct {
	Code Code
	Dst  uint8
	Src  uint8
	// Off is the offset of a memory access or the absolute target of a jump or
	// call.
	Off int32
	// Imm is the operand, sign-extended; for helper calls the index in the
	// program's helpers; for atomics the operation.
	Imm int64
}

// Code tells operations apart.
type Code uint16

// Operations. The suffix tells the second operand: K for Imm, X for Src. A
// trailing 32 means that operands and result have 32 bits.
const (
	_ Code = iota // second slots, and the slot behind the last

	OpAddK
	OpAddX
	OpSubK
	OpSubX
	OpMulK
	OpMulX
	OpDivK
	OpDivX
	OpSDivK
	OpSDivX
	OpOrK
	OpOrX
	OpAndK
	OpAndX
	OpLshK
	OpLshX
	OpRshK
	OpRshX
	OpModK
	OpModX
	OpSModK
	OpSModX
	OpXorK
	OpXorX
	OpMovK
	OpMovX
	OpArshK
	OpArshX
	OpNeg
	OpMovS8
	OpMovS16
	OpMovS32

	OpAddK32
	OpAddX32
	OpSubK32
	OpSubX32
	OpMulK32
	OpMulX32
	OpDivK32
	OpDivX32
	OpSDivK32
	OpSDivX32
	OpOrK32
	OpOrX32
	OpAndK32
	OpAndX32
	OpLshK32
	OpLshX32
	OpRshK32
	OpRshX32
	OpModK32
	OpModX32
	OpSModK32
	OpSModX32
	OpXorK32
	OpXorX32
	OpMovK32
	OpMovX32
	OpArshK32
	OpArshX32
	OpNeg32
	OpMovS832
	OpMovS1632

	OpZext16
	OpZext32
	OpNop
	OpSwap16
	OpSwap32
	OpSwap64
	OpCastUser

	OpLoad8
	OpLoad16
	OpLoad32
	OpLoad64
	OpLoadS8
	OpLoadS16
	OpLoadS32
	OpLoadStack8
	OpLoadStack16
	OpLoadStack32
	OpLoadStack64
	OpStore8
	OpStore16
	OpStore32
	OpStore64
	OpStoreK8
	OpStoreK16
	OpStoreK32
	OpStoreK64
	OpStoreStack8
	OpStoreStack16
	OpStoreStack32
	OpStoreStack64
	OpStoreStackK8
	OpStoreStackK16
	OpStoreStackK32
	OpStoreStackK64
	OpLoadImm
	OpAtomic32
	OpAtomic64
	OpLoadAbs
	OpLoadInd

	OpJA
	OpJEqK
	OpJEqX
	OpJGtK
	OpJGtX
	OpJGeK
	OpJGeX
	OpJSetK
	OpJSetX
	OpJNeK
	OpJNeX
	OpJSGtK
	OpJSGtX
	OpJSGeK
	OpJSGeX
	OpJLtK
	OpJLtX
	OpJLeK
	OpJLeX
	OpJSLtK
	OpJSLtX
	OpJSLeK
	OpJSLeX

	OpJEqK32
	OpJEqX32
	OpJGtK32
	OpJGtX32
	OpJGeK32
	OpJGeX32
	OpJSetK32
	OpJSetX32
	OpJNeK32
	OpJNeX32
	OpJSGtK32
	OpJSGtX32
	OpJSGeK32
	OpJSGeX32
	OpJLtK32
	OpJLtX32
	OpJLeK32
	OpJLeX32
	OpJSLtK32
	OpJSLtX32
	OpJSLeK32
	OpJSLeX32

	OpMayGoto
	OpCall
	OpHelper
	OpTailCall
	OpExit

	// OpTraced stands for any of the above in a program that is traced; the
	// operation itself is in Program.plain.
	OpTraced
)
