#include "go_asm.h"
#include "textflag.h"

// Places in struct ucontext (Linux 6.18, arch/arm64) and siginfo.
#define contextR11 272
#define contextLR 424
#define contextPC 440
#define infoAddress 16

#define SIGSEGV 11

// recordReturn is native code that tells where enter goes on.
TEXT ·recordReturn(SB), NOSPLIT|NOFRAME, $0
	MOVD R30, ·enterReturn(SB)
	RET

// faultHandler is a signal handler: R0 has the signal, R1 the siginfo, R2 the
// ucontext. It runs on the thread's signal stack.
TEXT ·faultHandler(SB), NOSPLIT|NOFRAME, $0
	MOVD contextPC(R2), R3
	MOVD ·textStart(SB), R4
	CMP  R4, R3
	BLO  native
	MOVD ·textEnd(SB), R4
	CMP  R4, R3
	BLO  pass

native:
	MOVD contextLR(R2), R5
	MOVD ·enterReturn(SB), R4
	CMP  R4, R5
	BNE  pass
	MOVD contextR11(R2), R6
	MOVD R3, Thread_faultPC(R6)
	MOVD infoAddress(R1), R4
	MOVD R4, Thread_faultAddress(R6)
	MOVD R5, contextPC(R2)
	RET

pass:
	CMP  $SIGSEGV, R0
	BNE  bus
	MOVD ·segvHandler(SB), R3
	JMP  (R3)

bus:
	MOVD ·busHandler(SB), R3
	JMP  (R3)

// The addresses of the code itself: Go's values of these functions are wrappers.
DATA ·recordReturnAddress+0(SB)/8, $·recordReturn(SB)
GLOBL ·recordReturnAddress(SB), NOPTR|RODATA, $8
DATA ·faultHandlerAddress+0(SB)/8, $·faultHandler(SB)
GLOBL ·faultHandlerAddress(SB), NOPTR|RODATA, $8
