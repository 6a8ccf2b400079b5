#include "textflag.h"

// func request(code uintptr)
//
// The instructions are those of valgrind.h: rotations that add up to nothing and an exchange of a
// register with itself, which valgrind recognizes. AX points to the request and its arguments.
TEXT ·request(SB), NOSPLIT, $48-8
	MOVQ code+0(FP), AX
	MOVQ AX, 0(SP)
	XORL AX, AX
	MOVQ AX, 8(SP)
	MOVQ AX, 16(SP)
	MOVQ AX, 24(SP)
	MOVQ AX, 32(SP)
	MOVQ AX, 40(SP)
	LEAQ 0(SP), AX
	XORL DX, DX
	ROLQ $3, DI
	ROLQ $13, DI
	ROLQ $61, DI
	ROLQ $51, DI
	XCHGQ BX, BX
	RET
