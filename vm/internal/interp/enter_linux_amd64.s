#include "textflag.h"

// func enter(prologue, target uintptr, t *Thread)
//
// Native code keeps SP and changes all other registers. R14 is g to Go's
// compiled code and BP its frame pointer; both are kept here.
TEXT ·enter(SB), NOSPLIT, $24-24
	MOVQ R14, saved-8(SP)
	MOVQ BP, saved-16(SP)
	MOVQ prologue+0(FP), CX
	MOVQ target+8(FP), AX
	MOVQ t+16(FP), R15
	CALL CX
	MOVQ saved-16(SP), BP
	MOVQ saved-8(SP), R14
	RET
