#include "textflag.h"

// func enter(prologue, target unsafe.Pointer, t *interp.Thread)
//
// Native code keeps SP and BP and changes all other registers. R14 is g to Go's
// compiled code, so it is kept here.
TEXT ·enter(SB), NOSPLIT, $16-24
	MOVQ R14, saved-8(SP)
	MOVQ prologue+0(FP), CX
	MOVQ target+8(FP), AX
	MOVQ t+16(FP), R15
	CALL CX
	MOVQ saved-8(SP), R14
	RET
