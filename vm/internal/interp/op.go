package interp

// Op is a decoded operation.
type Op struct {
	Code code
	Dst  uint8
	Src  uint8
	// Off is the offset of a memory access or the absolute target of a jump or
	// call.
	Off int32
	// Imm is the operand, sign-extended; for helper calls the index in the
	// program's helpers; for atomics the operation.
	Imm int64
}

type code uint16

// Operations. The suffix tells the second operand: K for Imm, X for Src. A
// trailing 32 means that operands and result have 32 bits.
const (
	_ code = iota // second slots, and the slot behind the last

	opAddK
	opAddX
	opSubK
	opSubX
	opMulK
	opMulX
	opDivK
	opDivX
	opSDivK
	opSDivX
	opOrK
	opOrX
	opAndK
	opAndX
	opLshK
	opLshX
	opRshK
	opRshX
	opModK
	opModX
	opSModK
	opSModX
	opXorK
	opXorX
	opMovK
	opMovX
	opArshK
	opArshX
	opNeg
	opMovS8
	opMovS16
	opMovS32

	opAddK32
	opAddX32
	opSubK32
	opSubX32
	opMulK32
	opMulX32
	opDivK32
	opDivX32
	opSDivK32
	opSDivX32
	opOrK32
	opOrX32
	opAndK32
	opAndX32
	opLshK32
	opLshX32
	opRshK32
	opRshX32
	opModK32
	opModX32
	opSModK32
	opSModX32
	opXorK32
	opXorX32
	opMovK32
	opMovX32
	opArshK32
	opArshX32
	opNeg32
	opMovS832
	opMovS1632

	opZext16
	opZext32
	opNop
	opSwap16
	opSwap32
	opSwap64

	opLoad8
	opLoad16
	opLoad32
	opLoad64
	opLoadS8
	opLoadS16
	opLoadS32
	opLoadStack8
	opLoadStack16
	opLoadStack32
	opLoadStack64
	opStore8
	opStore16
	opStore32
	opStore64
	opStoreK8
	opStoreK16
	opStoreK32
	opStoreK64
	opStoreStack8
	opStoreStack16
	opStoreStack32
	opStoreStack64
	opStoreStackK8
	opStoreStackK16
	opStoreStackK32
	opStoreStackK64
	opLoadImm
	opAtomic32
	opAtomic64
	opLoadAbs
	opLoadInd

	opJA
	opJEqK
	opJEqX
	opJGtK
	opJGtX
	opJGeK
	opJGeX
	opJSetK
	opJSetX
	opJNeK
	opJNeX
	opJSGtK
	opJSGtX
	opJSGeK
	opJSGeX
	opJLtK
	opJLtX
	opJLeK
	opJLeX
	opJSLtK
	opJSLtX
	opJSLeK
	opJSLeX

	opJEqK32
	opJEqX32
	opJGtK32
	opJGtX32
	opJGeK32
	opJGeX32
	opJSetK32
	opJSetX32
	opJNeK32
	opJNeX32
	opJSGtK32
	opJSGtX32
	opJSGeK32
	opJSGeX32
	opJLtK32
	opJLtX32
	opJLeK32
	opJLeX32
	opJSLtK32
	opJSLtX32
	opJSLeK32
	opJSLeX32

	opMayGoto
	opCall
	opHelper
	opTailCall
	opExit
)
