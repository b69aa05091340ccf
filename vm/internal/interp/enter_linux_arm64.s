#include "textflag.h"

// func enter(prologue, target uintptr, t *Thread)
//
// Native code uses R0 to R19 but for R18, and keeps all others, g in R28 among
// them.
TEXT ·enter(SB), NOSPLIT, $16-24
	MOVD prologue+0(FP), R15
	MOVD target+8(FP), R12
	MOVD t+16(FP), R11
	CALL (R15)
	RET

// func flush(at, end uintptr)
//
// Makes code that was written visible to instruction fetches, by the smallest
// cache lines there may be.
TEXT ·flush(SB), NOSPLIT, $0-16
	MOVD at+0(FP), R0
	MOVD end+8(FP), R1
	MOVD R0, R2
clean:
	WORD $0xd50b7b22 // dc cvau, x2
	ADD  $16, R2
	CMP  R1, R2
	BLO  clean
	WORD $0xd5033b9f // dsb ish
invalidate:
	WORD $0xd50b7520 // ic ivau, x0
	ADD  $16, R0
	CMP  R1, R0
	BLO  invalidate
	WORD $0xd5033b9f // dsb ish
	WORD $0xd5033fdf // isb
	RET
