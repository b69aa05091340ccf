package interp

// exec runs from slot pc on until the function that it entered returns, and
// says whether it did; otherwise t.stop tells why not. Cases that end with
// continue go on with the next slot; a jump that is taken falls out of the
// switch.
//
// The function is long because it is a table: a case is one instruction, and
// anything that takes more than two lines stands elsewhere.
func (t *Thread) exec(pc int) bool {
	r := &t.R
	ops := t.prog.ops
	depth := t.depth // of the function entered
	for {
		op := &ops[pc]
		pc++
		d, s := op.Dst&15, op.Src&15
		switch op.Code {
		case opAddK:
			r[d] = r[d] + uint64(op.Imm)
			continue
		case opAddX:
			r[d] = r[d] + r[s]
			continue
		case opSubK:
			r[d] = r[d] - uint64(op.Imm)
			continue
		case opSubX:
			r[d] = r[d] - r[s]
			continue
		case opMulK:
			r[d] = r[d] * uint64(op.Imm)
			continue
		case opMulX:
			r[d] = r[d] * r[s]
			continue
		case opOrK:
			r[d] = r[d] | uint64(op.Imm)
			continue
		case opOrX:
			r[d] = r[d] | r[s]
			continue
		case opAndK:
			r[d] = r[d] & uint64(op.Imm)
			continue
		case opAndX:
			r[d] = r[d] & r[s]
			continue
		case opXorK:
			r[d] = r[d] ^ uint64(op.Imm)
			continue
		case opXorX:
			r[d] = r[d] ^ r[s]
			continue
		case opMovK:
			r[d] = uint64(op.Imm)
			continue
		case opMovX:
			r[d] = r[s]
			continue
		case opLshK:
			r[d] = r[d] << (uint64(op.Imm) & 63)
			continue
		case opLshX:
			r[d] = r[d] << (r[s] & 63)
			continue
		case opRshK:
			r[d] = r[d] >> (uint64(op.Imm) & 63)
			continue
		case opRshX:
			r[d] = r[d] >> (r[s] & 63)
			continue
		case opArshK:
			r[d] = uint64(int64(r[d]) >> (uint64(op.Imm) & 63))
			continue
		case opArshX:
			r[d] = uint64(int64(r[d]) >> (r[s] & 63))
			continue
		case opAddK32:
			r[d] = uint64(uint32(r[d]) + uint32(op.Imm))
			continue
		case opAddX32:
			r[d] = uint64(uint32(r[d]) + uint32(r[s]))
			continue
		case opSubK32:
			r[d] = uint64(uint32(r[d]) - uint32(op.Imm))
			continue
		case opSubX32:
			r[d] = uint64(uint32(r[d]) - uint32(r[s]))
			continue
		case opMulK32:
			r[d] = uint64(uint32(r[d]) * uint32(op.Imm))
			continue
		case opMulX32:
			r[d] = uint64(uint32(r[d]) * uint32(r[s]))
			continue
		case opOrK32:
			r[d] = uint64(uint32(r[d]) | uint32(op.Imm))
			continue
		case opOrX32:
			r[d] = uint64(uint32(r[d]) | uint32(r[s]))
			continue
		case opAndK32:
			r[d] = uint64(uint32(r[d]) & uint32(op.Imm))
			continue
		case opAndX32:
			r[d] = uint64(uint32(r[d]) & uint32(r[s]))
			continue
		case opXorK32:
			r[d] = uint64(uint32(r[d]) ^ uint32(op.Imm))
			continue
		case opXorX32:
			r[d] = uint64(uint32(r[d]) ^ uint32(r[s]))
			continue
		case opMovK32:
			r[d] = uint64(uint32(op.Imm))
			continue
		case opMovX32:
			r[d] = uint64(uint32(r[s]))
			continue
		case opLshK32:
			r[d] = uint64(uint32(r[d]) << (uint32(op.Imm) & 31))
			continue
		case opLshX32:
			r[d] = uint64(uint32(r[d]) << (uint32(r[s]) & 31))
			continue
		case opRshK32:
			r[d] = uint64(uint32(r[d]) >> (uint32(op.Imm) & 31))
			continue
		case opRshX32:
			r[d] = uint64(uint32(r[d]) >> (uint32(r[s]) & 31))
			continue
		case opArshK32:
			r[d] = uint64(uint32(int32(uint32(r[d])) >> (uint32(op.Imm) & 31)))
			continue
		case opArshX32:
			r[d] = uint64(uint32(int32(uint32(r[d])) >> (uint32(r[s]) & 31)))
			continue
		case opNeg:
			r[d] = -r[d]
			continue
		case opNeg32:
			r[d] = uint64(-uint32(r[d]))
			continue
		case opMovS8:
			r[d] = uint64(int64(int8(r[s])))
			continue
		case opMovS16:
			r[d] = uint64(int64(int16(r[s])))
			continue
		case opMovS32:
			r[d] = uint64(int64(int32(r[s])))
			continue
		case opMovS832:
			r[d] = uint64(uint32(int32(int8(r[s]))))
			continue
		case opMovS1632:
			r[d] = uint64(uint32(int32(int16(r[s]))))
			continue
		case opLoadImm:
			r[d] = uint64(op.Imm)
			pc++
			continue

		case opLoad8:
			a := r[s] + uint64(int64(op.Off))
			if t.pkt.has(a, 1) {
				r[d] = uint64(*(*uint8)(ptr(a)))
				continue
			}
			t.pc = pc - 1
			if !t.load(a, 1, d) {
				return false
			}
			goto resume
		case opLoad16:
			a := r[s] + uint64(int64(op.Off))
			if t.pkt.has(a, 2) {
				r[d] = uint64(*(*uint16)(ptr(a)))
				continue
			}
			t.pc = pc - 1
			if !t.load(a, 2, d) {
				return false
			}
			goto resume
		case opLoad32:
			a := r[s] + uint64(int64(op.Off))
			if t.pkt.has(a, 4) {
				r[d] = uint64(*(*uint32)(ptr(a)))
				continue
			}
			t.pc = pc - 1
			if !t.load(a, 4, d) {
				return false
			}
			goto resume
		case opLoad64:
			a := r[s] + uint64(int64(op.Off))
			if t.pkt.has(a, 8) {
				r[d] = uint64(*(*uint64)(ptr(a)))
				continue
			}
			t.pc = pc - 1
			if !t.load(a, 8, d) {
				return false
			}
			goto resume
		case opLoadS8, opLoadS16, opLoadS32:
			t.pc = pc - 1
			if !t.loadSigned(r[s]+uint64(int64(op.Off)), 1<<(op.Code-opLoadS8), d) {
				return false
			}
			goto resume
		case opLoadStack8:
			r[d] = uint64(*(*uint8)(ptr(r[10] + uint64(int64(op.Off)))))
			continue
		case opLoadStack16:
			r[d] = uint64(*(*uint16)(ptr(r[10] + uint64(int64(op.Off)))))
			continue
		case opLoadStack32:
			r[d] = uint64(*(*uint32)(ptr(r[10] + uint64(int64(op.Off)))))
			continue
		case opLoadStack64:
			r[d] = uint64(*(*uint64)(ptr(r[10] + uint64(int64(op.Off)))))
			continue
		case opStore8:
			a := r[d] + uint64(int64(op.Off))
			if t.wpkt.has(a, 1) {
				*(*uint8)(ptr(a)) = uint8(r[s])
				continue
			}
			t.pc = pc - 1
			if !t.store(a, 1, uint64(r[s])) {
				return false
			}
			goto resume
		case opStore16:
			a := r[d] + uint64(int64(op.Off))
			if t.wpkt.has(a, 2) {
				*(*uint16)(ptr(a)) = uint16(r[s])
				continue
			}
			t.pc = pc - 1
			if !t.store(a, 2, uint64(r[s])) {
				return false
			}
			goto resume
		case opStore32:
			a := r[d] + uint64(int64(op.Off))
			if t.wpkt.has(a, 4) {
				*(*uint32)(ptr(a)) = uint32(r[s])
				continue
			}
			t.pc = pc - 1
			if !t.store(a, 4, uint64(r[s])) {
				return false
			}
			goto resume
		case opStore64:
			a := r[d] + uint64(int64(op.Off))
			if t.wpkt.has(a, 8) {
				*(*uint64)(ptr(a)) = uint64(r[s])
				continue
			}
			t.pc = pc - 1
			if !t.store(a, 8, uint64(r[s])) {
				return false
			}
			goto resume
		case opStoreK8:
			a := r[d] + uint64(int64(op.Off))
			if t.wpkt.has(a, 1) {
				*(*uint8)(ptr(a)) = uint8(op.Imm)
				continue
			}
			t.pc = pc - 1
			if !t.store(a, 1, uint64(op.Imm)) {
				return false
			}
			goto resume
		case opStoreK16:
			a := r[d] + uint64(int64(op.Off))
			if t.wpkt.has(a, 2) {
				*(*uint16)(ptr(a)) = uint16(op.Imm)
				continue
			}
			t.pc = pc - 1
			if !t.store(a, 2, uint64(op.Imm)) {
				return false
			}
			goto resume
		case opStoreK32:
			a := r[d] + uint64(int64(op.Off))
			if t.wpkt.has(a, 4) {
				*(*uint32)(ptr(a)) = uint32(op.Imm)
				continue
			}
			t.pc = pc - 1
			if !t.store(a, 4, uint64(op.Imm)) {
				return false
			}
			goto resume
		case opStoreK64:
			a := r[d] + uint64(int64(op.Off))
			if t.wpkt.has(a, 8) {
				*(*uint64)(ptr(a)) = uint64(op.Imm)
				continue
			}
			t.pc = pc - 1
			if !t.store(a, 8, uint64(op.Imm)) {
				return false
			}
			goto resume
		case opStoreStack8:
			*(*uint8)(ptr(r[10] + uint64(int64(op.Off)))) = uint8(r[s])
			continue
		case opStoreStack16:
			*(*uint16)(ptr(r[10] + uint64(int64(op.Off)))) = uint16(r[s])
			continue
		case opStoreStack32:
			*(*uint32)(ptr(r[10] + uint64(int64(op.Off)))) = uint32(r[s])
			continue
		case opStoreStack64:
			*(*uint64)(ptr(r[10] + uint64(int64(op.Off)))) = uint64(r[s])
			continue
		case opStoreStackK8:
			*(*uint8)(ptr(r[10] + uint64(int64(op.Off)))) = uint8(op.Imm)
			continue
		case opStoreStackK16:
			*(*uint16)(ptr(r[10] + uint64(int64(op.Off)))) = uint16(op.Imm)
			continue
		case opStoreStackK32:
			*(*uint32)(ptr(r[10] + uint64(int64(op.Off)))) = uint32(op.Imm)
			continue
		case opStoreStackK64:
			*(*uint64)(ptr(r[10] + uint64(int64(op.Off)))) = uint64(op.Imm)
			continue
		case opAtomic32, opAtomic64:
			t.pc = pc - 1
			if !t.atomic(op) {
				return false
			}
			goto resume
		case opLoadAbs, opLoadInd:
			t.pc = pc - 1
			switch t.loadLegacy(op) {
			case legacyLoaded:
				goto resume
			case legacyShort:
				goto exit // the packet is too short: the function ends with 0
			default:
				return false
			}

		case opJA:
		case opJEqK:
			if !(r[d] == uint64(op.Imm)) {
				continue
			}
		case opJEqX:
			if !(r[d] == r[s]) {
				continue
			}
		case opJGtK:
			if !(r[d] > uint64(op.Imm)) {
				continue
			}
		case opJGtX:
			if !(r[d] > r[s]) {
				continue
			}
		case opJGeK:
			if !(r[d] >= uint64(op.Imm)) {
				continue
			}
		case opJGeX:
			if !(r[d] >= r[s]) {
				continue
			}
		case opJSetK:
			if !(r[d]&uint64(op.Imm) != 0) {
				continue
			}
		case opJSetX:
			if !(r[d]&r[s] != 0) {
				continue
			}
		case opJNeK:
			if !(r[d] != uint64(op.Imm)) {
				continue
			}
		case opJNeX:
			if !(r[d] != r[s]) {
				continue
			}
		case opJSGtK:
			if !(int64(r[d]) > op.Imm) {
				continue
			}
		case opJSGtX:
			if !(int64(r[d]) > int64(r[s])) {
				continue
			}
		case opJSGeK:
			if !(int64(r[d]) >= op.Imm) {
				continue
			}
		case opJSGeX:
			if !(int64(r[d]) >= int64(r[s])) {
				continue
			}
		case opJLtK:
			if !(r[d] < uint64(op.Imm)) {
				continue
			}
		case opJLtX:
			if !(r[d] < r[s]) {
				continue
			}
		case opJLeK:
			if !(r[d] <= uint64(op.Imm)) {
				continue
			}
		case opJLeX:
			if !(r[d] <= r[s]) {
				continue
			}
		case opJSLtK:
			if !(int64(r[d]) < op.Imm) {
				continue
			}
		case opJSLtX:
			if !(int64(r[d]) < int64(r[s])) {
				continue
			}
		case opJSLeK:
			if !(int64(r[d]) <= op.Imm) {
				continue
			}
		case opJSLeX:
			if !(int64(r[d]) <= int64(r[s])) {
				continue
			}
		case opJEqK32:
			if !(uint32(r[d]) == uint32(op.Imm)) {
				continue
			}
		case opJEqX32:
			if !(uint32(r[d]) == uint32(r[s])) {
				continue
			}
		case opJGtK32:
			if !(uint32(r[d]) > uint32(op.Imm)) {
				continue
			}
		case opJGtX32:
			if !(uint32(r[d]) > uint32(r[s])) {
				continue
			}
		case opJGeK32:
			if !(uint32(r[d]) >= uint32(op.Imm)) {
				continue
			}
		case opJGeX32:
			if !(uint32(r[d]) >= uint32(r[s])) {
				continue
			}
		case opJSetK32:
			if !(uint32(r[d])&uint32(op.Imm) != 0) {
				continue
			}
		case opJSetX32:
			if !(uint32(r[d])&uint32(r[s]) != 0) {
				continue
			}
		case opJNeK32:
			if !(uint32(r[d]) != uint32(op.Imm)) {
				continue
			}
		case opJNeX32:
			if !(uint32(r[d]) != uint32(r[s])) {
				continue
			}
		case opJSGtK32:
			if !(int32(r[d]) > int32(op.Imm)) {
				continue
			}
		case opJSGtX32:
			if !(int32(r[d]) > int32(r[s])) {
				continue
			}
		case opJSGeK32:
			if !(int32(r[d]) >= int32(op.Imm)) {
				continue
			}
		case opJSGeX32:
			if !(int32(r[d]) >= int32(r[s])) {
				continue
			}
		case opJLtK32:
			if !(uint32(r[d]) < uint32(op.Imm)) {
				continue
			}
		case opJLtX32:
			if !(uint32(r[d]) < uint32(r[s])) {
				continue
			}
		case opJLeK32:
			if !(uint32(r[d]) <= uint32(op.Imm)) {
				continue
			}
		case opJLeX32:
			if !(uint32(r[d]) <= uint32(r[s])) {
				continue
			}
		case opJSLtK32:
			if !(int32(r[d]) < int32(op.Imm)) {
				continue
			}
		case opJSLtX32:
			if !(int32(r[d]) < int32(r[s])) {
				continue
			}
		case opJSLeK32:
			if !(int32(r[d]) <= int32(op.Imm)) {
				continue
			}
		case opJSLeX32:
			if !(int32(r[d]) <= int32(r[s])) {
				continue
			}
		case opMayGoto:
			t.mayGotos++
			if t.mayGotos < maxMayGotos {
				continue
			}
		case opHelper:
			t.pc = pc - 1
			t.budget -= callCost
			t.R[0] = t.prog.helpers[op.Imm](t)
			if t.stop != nil {
				return false
			}
			goto resume
		case opCall:
			t.pc = pc - 1
			if !t.enter(op.Off) {
				return false
			}
			goto resume
		case opTailCall:
			t.pc = pc - 1
			t.tailCall()
			if t.stop != nil {
				return false
			}
			goto resume
		case opExit:
			t.pc = pc - 1
			goto exit
		default:
			t.pc = pc - 1
			if !t.rare(op) {
				return false
			}
			goto resume
		}
		if next := int(op.Off); next >= pc {
			pc = next
			continue
		}
		t.budget -= int64(pc) - int64(op.Off)
		if t.budget < 0 {
			t.pc = pc - 1
			t.outOfBudget()
			return false
		}
		pc = int(op.Off)
		continue
	exit:
		if t.depth == depth {
			return true
		}
		t.leave()
	resume:
		// Calls leave where to go on in t. Keeping nothing else across them
		// spares the loop from spilling its registers at every instruction.
		ops, pc = t.prog.ops, t.pc+1
	}
}
