#include "go_asm.h"
#include "textflag.h"

// Places in struct ucontext and siginfo (Linux 6.18, arch/x86).
#define contextR15 96
#define contextRSP 160
#define contextRIP 168
#define infoAddress 16

#define SIGSEGV 11

// recordReturn is native code that tells where enter goes on.
TEXT ·recordReturn(SB), NOSPLIT|NOFRAME, $0
	MOVQ (SP), AX
	MOVQ AX, ·enterReturn(SB)
	RET

// faultHandler is a signal handler: DI has the signal, SI the siginfo, DX the
// ucontext. It runs on the thread's signal stack.
TEXT ·faultHandler(SB), NOSPLIT|NOFRAME, $0
	MOVQ contextRIP(DX), AX
	CMPQ AX, ·textStart(SB)
	JCS  native
	CMPQ AX, ·textEnd(SB)
	JCS  pass

native:
	MOVQ contextRSP(DX), CX
	MOVQ (CX), R8
	CMPQ R8, ·enterReturn(SB)
	JNE  pass
	MOVQ contextR15(DX), R9
	MOVQ AX, Thread_faultPC(R9)
	MOVQ infoAddress(SI), R8
	MOVQ R8, Thread_faultAddress(R9)
	LEAQ ·landing(SB), R8
	MOVQ R8, contextRIP(DX)
	RET

pass:
	CMPQ DI, $SIGSEGV
	JNE  bus
	MOVQ ·segvHandler(SB), AX
	JMP  AX

bus:
	MOVQ ·busHandler(SB), AX
	JMP  AX

// landing returns to enter, as native code would.
TEXT ·landing(SB), NOSPLIT|NOFRAME, $0
	RET

// The addresses of the code itself: Go's values of these functions are wrappers.
DATA ·recordReturnAddress+0(SB)/8, $·recordReturn(SB)
GLOBL ·recordReturnAddress(SB), NOPTR|RODATA, $8
DATA ·faultHandlerAddress+0(SB)/8, $·faultHandler(SB)
GLOBL ·faultHandlerAddress(SB), NOPTR|RODATA, $8
