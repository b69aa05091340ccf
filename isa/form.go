package isa

// A form is one way opcodes are laid out: which fields they use and how they
// read as text. Every opcode that exists points to its form.
type form struct {
	// check says what is wrong with the fields, or "".
	check func(ins Instruction) string
	print func(p *Printer, s site) string
}

// site is an instruction where it stands.
type site struct {
	Instruction
	hi Instruction // second slot of a 64-bit immediate load
	at int         // index of the first slot
}

// forms has an entry for every opcode that RFC 9669 or Linux 6.18 defines, and
// for callx, which clang emits and Linux refuses.
var forms = makeForms()

func makeForms() (t [256]*form) {
	arithmeticForms(&t)
	jumpForms(&t)
	memoryForms(&t)
	return t
}

func arithmeticForms(t *[256]*form) {
	binary := &form{checkBinary, printBinary}
	for _, class := range []uint8{ClassALU, ClassALU64} {
		for _, op := range []uint8{OpAdd, OpSub, OpMul, OpDiv, OpOr, OpAnd, OpLsh, OpRsh, OpMod, OpXor, OpArsh} {
			t[class|op|SrcK] = binary
			t[class|op|SrcX] = binary
		}
		t[class|OpMov|SrcK] = binary
		t[class|OpMov|SrcX] = &form{checkMove, printMove}
		t[class|OpNeg] = &form{checkNeg, printNeg}
	}
	swap := &form{checkSwap, printSwap}
	t[ToLE], t[ToBE], t[Bswap] = swap, swap, swap
}

func jumpForms(t *[256]*form) {
	branch := &form{checkBranch, printBranch}
	for _, class := range []uint8{ClassJMP, ClassJMP32} {
		for _, op := range []uint8{OpJEQ, OpJGT, OpJGE, OpJSET, OpJNE, OpJSGT, OpJSGE, OpJLT, OpJLE, OpJSLT, OpJSLE} {
			t[class|op|SrcK] = branch
			t[class|op|SrcX] = branch
		}
	}
	t[JA] = &form{checkGoto, printGoto}
	t[JA32] = &form{checkGotol, printGotol}
	t[MayGoto] = &form{checkMayGoto, printMayGoto}
	t[Call] = &form{checkCall, printCall}
	t[CallX] = &form{checkCallX, printCallX}
	t[Exit] = &form{checkExit, printExit}
}

func memoryForms(t *[256]*form) {
	load := &form{checkLoad, printLoad}
	store := &form{checkStore, printStore}
	storeImm := &form{checkStoreImm, printStoreImm}
	for _, size := range []uint8{SizeB, SizeH, SizeW, SizeDW} {
		t[ClassLDX|ModeMEM|size] = load
		t[ClassSTX|ModeMEM|size] = store
		t[ClassST|ModeMEM|size] = storeImm
		t[ClassSTX|ModeATOMIC|size] = &form{checkAtomic, printAtomic}
		if size == SizeDW {
			continue
		}
		t[ClassLDX|ModeMEMSX|size] = load
		t[ClassLD|ModeABS|size] = &form{checkLoadAbs, printLoadAbs}
		t[ClassLD|ModeIND|size] = &form{checkLoadInd, printLoadInd}
	}
	t[LdImm64] = &form{checkImm64, printImm64}
}
