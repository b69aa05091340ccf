package codegen

import (
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/btf"
)

// kfuncCall calls a function of the kernel; cilium/ebpf finds its id in the
// kernel's BTF when it loads the program.
func kfuncCall(name string) asm.Instruction {
	i := asm.Instruction{
		OpCode: asm.OpCode(asm.JumpClass).SetJumpOp(asm.Call), Src: asm.PseudoKfuncCall, Constant: -1,
	}
	void := &btf.FuncProto{Return: (*btf.Void)(nil)}
	return btf.WithFuncMetadata(i, &btf.Func{Name: name, Type: void, Linkage: btf.ExternFunc})
}
