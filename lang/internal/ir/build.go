package ir

import (
	"math/bits"

	"github.com/cilium/ebpf/asm"
)

// Set writes a to r.
func (f *Func) Set(r Reg, a Arg) { f.Add(Ins{Op: Mov, Dst: r, A: a}) }

// Copy is a in a register of its own.
func (f *Func) Copy(a Arg) Arg {
	r := f.NewReg()
	f.Set(r, a)
	return R(r)
}

// InReg is a, in a register.
func (f *Func) InReg(a Arg) Arg {
	if a.Kind == ArgReg {
		return a
	}
	return f.Copy(a)
}

// Plus is the address off bytes further.
func (f *Func) Plus(a Arg, off int) Arg {
	switch {
	case off == 0:
		return a
	case a.Kind == ArgSlot || a.Kind == ArgMapValue || a.Kind == ArgImm:
		a.Imm += int64(off)
		return a
	}
	return f.Bin(asm.Add, a, Imm(int64(off)))
}

// Bin computes a op b, now if both are constants.
func (f *Func) Bin(op asm.ALUOp, a, b Arg) Arg {
	if a.Kind == ArgImm && b.Kind == ArgImm {
		if v, ok := Fold(op, a.Imm, b.Imm); ok {
			return Imm(v)
		}
	}
	if b.Kind == ArgImm {
		switch {
		case b.Imm == 0 && (op == asm.Add || op == asm.Sub || op == asm.Or || op == asm.Xor || op == asm.LSh || op == asm.RSh || op == asm.ArSh):
			return a
		case b.Imm == 1 && (op == asm.Mul || op == asm.Div):
			return a
		case b.Imm == -1 && op == asm.And:
			return a
		case op == asm.Mul && b.Imm > 0 && bits.OnesCount64(uint64(b.Imm)) == 1:
			op, b = asm.LSh, Imm(int64(bits.TrailingZeros64(uint64(b.Imm))))
		}
	}
	r := f.NewReg()
	f.Add(Ins{Op: Bin, Dst: r, Alu: op, A: a, B: b})
	return R(r)
}

// Fold is a op b on 64-bit numbers as eBPF computes them.
func Fold(op asm.ALUOp, a, b int64) (int64, bool) {
	switch op {
	case asm.Add:
		return a + b, true
	case asm.Sub:
		return a - b, true
	case asm.Mul:
		return a * b, true
	case asm.Div:
		if b == 0 {
			return 0, true
		}
		return int64(uint64(a) / uint64(b)), true
	case asm.Mod:
		if b == 0 {
			return a, true
		}
		return int64(uint64(a) % uint64(b)), true
	case asm.And:
		return a & b, true
	case asm.Or:
		return a | b, true
	case asm.Xor:
		return a ^ b, true
	case asm.LSh:
		return a << (uint64(b) & 63), true
	case asm.RSh:
		return int64(uint64(a) >> (uint64(b) & 63)), true
	case asm.ArSh:
		return a >> (uint64(b) & 63), true
	}
	return 0, false
}

// Load reads size bytes.
func (f *Func) Load(size int, base Arg, off int) Arg {
	r := f.NewReg()
	f.Add(Ins{Op: Load, Dst: r, A: base, Off: off, Size: size})
	return R(r)
}

// Store writes size bytes.
func (f *Func) Store(size int, base Arg, off int, v Arg) {
	f.Add(Ins{Op: Store, A: base, Off: off, Size: size, B: v})
}

// AddTo adds v to memory atomically.
func (f *Func) AddTo(size int, base Arg, off int, v Arg) {
	f.Add(Ins{Op: AtomicAdd, A: base, Off: off, Size: size, B: v})
}

// Call calls a helper.
func (f *Func) Call(h asm.BuiltinFunc, args ...Arg) Arg {
	r := f.NewReg()
	f.Add(Ins{Op: Call, Dst: r, Helper: h, Args: args})
	return R(r)
}

// CallFunc calls one of the program's own functions.
func (f *Func) CallFunc(name string, args ...Arg) Arg {
	r := f.NewReg()
	f.Add(Ins{Op: CallFunc, Dst: r, Sym: name, Args: args})
	return R(r)
}

// CallKfunc calls a function of the kernel.
func (f *Func) CallKfunc(name string, args ...Arg) Arg {
	r := f.NewReg()
	f.Add(Ins{Op: CallKfunc, Dst: r, Sym: name, Args: args})
	return R(r)
}

// Jump goes to b.
func (f *Func) Jump(b *Block) { f.Add(Ins{Op: Jump, Then: b}) }

// Branch goes to then if a cond b.
func (f *Func) Branch(cond asm.JumpOp, a, b Arg, then, els *Block) {
	if a.Kind == ArgImm && b.Kind == ArgImm {
		if Holds(cond, a.Imm, b.Imm) {
			f.Jump(then)
		} else {
			f.Jump(els)
		}
		return
	}
	f.Add(Ins{Op: Branch, Cond: cond, A: f.InReg(a), B: b, Then: then, Else: els})
}

// Holds compares two 64-bit numbers.
func Holds(cond asm.JumpOp, a, b int64) bool {
	ua, ub := uint64(a), uint64(b)
	switch cond {
	case asm.JEq:
		return a == b
	case asm.JNE:
		return a != b
	case asm.JGT:
		return ua > ub
	case asm.JGE:
		return ua >= ub
	case asm.JLT:
		return ua < ub
	case asm.JLE:
		return ua <= ub
	case asm.JSGT:
		return a > b
	case asm.JSGE:
		return a >= b
	case asm.JSLT:
		return a < b
	case asm.JSLE:
		return a <= b
	case asm.JSet:
		return a&b != 0
	}
	return false
}

// Return ends the function.
func (f *Func) Return(a Arg) { f.Add(Ins{Op: Return, A: a}) }

// SwapBytes reverses the low size bytes of a and clears the rest.
func (f *Func) SwapBytes(size int, a Arg) Arg {
	if a.Kind == ArgImm {
		v := bits.ReverseBytes64(uint64(a.Imm)) >> (64 - 8*size)
		return Imm(int64(v))
	}
	r := f.NewReg()
	f.Add(Ins{Op: Swap, Dst: r, A: a, Size: size})
	return R(r)
}

// Extend makes the low size bytes of a a 64-bit number.
func (f *Func) Extend(size int, signed bool, a Arg) Arg {
	if size >= 8 {
		return a
	}
	shift := 64 - 8*size
	if a.Kind == ArgImm {
		v := a.Imm << shift
		if signed {
			return Imm(v >> shift)
		}
		return Imm(int64(uint64(v) >> shift))
	}
	if !signed && size < 4 {
		return f.Bin(asm.And, a, Imm(1<<(8*size)-1))
	}
	right := asm.RSh
	if signed {
		right = asm.ArSh
	}
	return f.Bin(right, f.Bin(asm.LSh, a, Imm(int64(shift))), Imm(int64(shift)))
}
