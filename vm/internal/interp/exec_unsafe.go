package interp

// interpret runs from slot pc on until the function whose frame pointer is base
// returns, or else until native code can go on. Cases that end with continue go
// on with the next slot; a jump that is taken falls out of the switch.
//
// The function is long because it is a table: a case is one instruction, and
// anything that takes more than two lines stands elsewhere.
func (t *Thread) interpret(pc int, base uint64) ending {
	r := &t.R
	ops := t.prog.ops
	for {
		op := &ops[pc]
		pc++
	again:
		d, s := op.Dst&15, op.Src&15
		switch op.Code {
		case OpAddK:
			r[d] = r[d] + uint64(op.Imm)
			continue
		case OpAddX:
			r[d] = r[d] + r[s]
			continue
		case OpSubK:
			r[d] = r[d] - uint64(op.Imm)
			continue
		case OpSubX:
			r[d] = r[d] - r[s]
			continue
		case OpMulK:
			r[d] = r[d] * uint64(op.Imm)
			continue
		case OpMulX:
			r[d] = r[d] * r[s]
			continue
		case OpOrK:
			r[d] = r[d] | uint64(op.Imm)
			continue
		case OpOrX:
			r[d] = r[d] | r[s]
			continue
		case OpAndK:
			r[d] = r[d] & uint64(op.Imm)
			continue
		case OpAndX:
			r[d] = r[d] & r[s]
			continue
		case OpXorK:
			r[d] = r[d] ^ uint64(op.Imm)
			continue
		case OpXorX:
			r[d] = r[d] ^ r[s]
			continue
		case OpMovK:
			r[d] = uint64(op.Imm)
			continue
		case OpMovX:
			r[d] = r[s]
			continue
		case OpLshK:
			r[d] = r[d] << (uint64(op.Imm) & 63)
			continue
		case OpLshX:
			r[d] = r[d] << (r[s] & 63)
			continue
		case OpRshK:
			r[d] = r[d] >> (uint64(op.Imm) & 63)
			continue
		case OpRshX:
			r[d] = r[d] >> (r[s] & 63)
			continue
		case OpArshK:
			r[d] = uint64(int64(r[d]) >> (uint64(op.Imm) & 63))
			continue
		case OpArshX:
			r[d] = uint64(int64(r[d]) >> (r[s] & 63))
			continue
		case OpAddK32:
			r[d] = uint64(uint32(r[d]) + uint32(op.Imm))
			continue
		case OpAddX32:
			r[d] = uint64(uint32(r[d]) + uint32(r[s]))
			continue
		case OpSubK32:
			r[d] = uint64(uint32(r[d]) - uint32(op.Imm))
			continue
		case OpSubX32:
			r[d] = uint64(uint32(r[d]) - uint32(r[s]))
			continue
		case OpMulK32:
			r[d] = uint64(uint32(r[d]) * uint32(op.Imm))
			continue
		case OpMulX32:
			r[d] = uint64(uint32(r[d]) * uint32(r[s]))
			continue
		case OpOrK32:
			r[d] = uint64(uint32(r[d]) | uint32(op.Imm))
			continue
		case OpOrX32:
			r[d] = uint64(uint32(r[d]) | uint32(r[s]))
			continue
		case OpAndK32:
			r[d] = uint64(uint32(r[d]) & uint32(op.Imm))
			continue
		case OpAndX32:
			r[d] = uint64(uint32(r[d]) & uint32(r[s]))
			continue
		case OpXorK32:
			r[d] = uint64(uint32(r[d]) ^ uint32(op.Imm))
			continue
		case OpXorX32:
			r[d] = uint64(uint32(r[d]) ^ uint32(r[s]))
			continue
		case OpMovK32:
			r[d] = uint64(uint32(op.Imm))
			continue
		case OpMovX32:
			r[d] = uint64(uint32(r[s]))
			continue
		case OpLshK32:
			r[d] = uint64(uint32(r[d]) << (uint32(op.Imm) & 31))
			continue
		case OpLshX32:
			r[d] = uint64(uint32(r[d]) << (uint32(r[s]) & 31))
			continue
		case OpRshK32:
			r[d] = uint64(uint32(r[d]) >> (uint32(op.Imm) & 31))
			continue
		case OpRshX32:
			r[d] = uint64(uint32(r[d]) >> (uint32(r[s]) & 31))
			continue
		case OpArshK32:
			r[d] = uint64(uint32(int32(uint32(r[d])) >> (uint32(op.Imm) & 31)))
			continue
		case OpArshX32:
			r[d] = uint64(uint32(int32(uint32(r[d])) >> (uint32(r[s]) & 31)))
			continue
		case OpNeg:
			r[d] = -r[d]
			continue
		case OpNeg32:
			r[d] = uint64(-uint32(r[d]))
			continue
		case OpMovS8:
			r[d] = uint64(int64(int8(r[s])))
			continue
		case OpMovS16:
			r[d] = uint64(int64(int16(r[s])))
			continue
		case OpMovS32:
			r[d] = uint64(int64(int32(r[s])))
			continue
		case OpMovS832:
			r[d] = uint64(uint32(int32(int8(r[s]))))
			continue
		case OpMovS1632:
			r[d] = uint64(uint32(int32(int16(r[s]))))
			continue
		case OpLoadImm:
			r[d] = uint64(op.Imm)
			pc++
			continue

		case OpLoad8:
			a := r[s] + uint64(int64(op.Off))
			if t.pkt.has(a, 1) {
				r[d] = uint64(*(*uint8)(ptr(a)))
				continue
			}
			t.pc = pc - 1
			if !t.load(a, 1, d) {
				return stopped
			}
			goto resume
		case OpLoad16:
			a := r[s] + uint64(int64(op.Off))
			if t.pkt.has(a, 2) {
				r[d] = uint64(*(*uint16)(ptr(a)))
				continue
			}
			t.pc = pc - 1
			if !t.load(a, 2, d) {
				return stopped
			}
			goto resume
		case OpLoad32:
			a := r[s] + uint64(int64(op.Off))
			if t.pkt.has(a, 4) {
				r[d] = uint64(*(*uint32)(ptr(a)))
				continue
			}
			t.pc = pc - 1
			if !t.load(a, 4, d) {
				return stopped
			}
			goto resume
		case OpLoad64:
			a := r[s] + uint64(int64(op.Off))
			if t.pkt.has(a, 8) {
				r[d] = uint64(*(*uint64)(ptr(a)))
				continue
			}
			t.pc = pc - 1
			if !t.load(a, 8, d) {
				return stopped
			}
			goto resume
		case OpLoadS8, OpLoadS16, OpLoadS32:
			t.pc = pc - 1
			if !t.loadSigned(r[s]+uint64(int64(op.Off)), 1<<(op.Code-OpLoadS8), d) {
				return stopped
			}
			goto resume
		case OpLoadStack8:
			r[d] = uint64(*(*uint8)(ptr(r[10] + uint64(int64(op.Off)))))
			continue
		case OpLoadStack16:
			r[d] = uint64(*(*uint16)(ptr(r[10] + uint64(int64(op.Off)))))
			continue
		case OpLoadStack32:
			r[d] = uint64(*(*uint32)(ptr(r[10] + uint64(int64(op.Off)))))
			continue
		case OpLoadStack64:
			r[d] = uint64(*(*uint64)(ptr(r[10] + uint64(int64(op.Off)))))
			continue
		case OpStore8:
			a := r[d] + uint64(int64(op.Off))
			if t.wpkt.has(a, 1) {
				*(*uint8)(ptr(a)) = uint8(r[s])
				continue
			}
			t.pc = pc - 1
			if !t.store(a, 1, uint64(r[s])) {
				return stopped
			}
			goto resume
		case OpStore16:
			a := r[d] + uint64(int64(op.Off))
			if t.wpkt.has(a, 2) {
				*(*uint16)(ptr(a)) = uint16(r[s])
				continue
			}
			t.pc = pc - 1
			if !t.store(a, 2, uint64(r[s])) {
				return stopped
			}
			goto resume
		case OpStore32:
			a := r[d] + uint64(int64(op.Off))
			if t.wpkt.has(a, 4) {
				*(*uint32)(ptr(a)) = uint32(r[s])
				continue
			}
			t.pc = pc - 1
			if !t.store(a, 4, uint64(r[s])) {
				return stopped
			}
			goto resume
		case OpStore64:
			a := r[d] + uint64(int64(op.Off))
			if t.wpkt.has(a, 8) {
				*(*uint64)(ptr(a)) = uint64(r[s])
				continue
			}
			t.pc = pc - 1
			if !t.store(a, 8, uint64(r[s])) {
				return stopped
			}
			goto resume
		case OpStoreK8:
			a := r[d] + uint64(int64(op.Off))
			if t.wpkt.has(a, 1) {
				*(*uint8)(ptr(a)) = uint8(op.Imm)
				continue
			}
			t.pc = pc - 1
			if !t.store(a, 1, uint64(op.Imm)) {
				return stopped
			}
			goto resume
		case OpStoreK16:
			a := r[d] + uint64(int64(op.Off))
			if t.wpkt.has(a, 2) {
				*(*uint16)(ptr(a)) = uint16(op.Imm)
				continue
			}
			t.pc = pc - 1
			if !t.store(a, 2, uint64(op.Imm)) {
				return stopped
			}
			goto resume
		case OpStoreK32:
			a := r[d] + uint64(int64(op.Off))
			if t.wpkt.has(a, 4) {
				*(*uint32)(ptr(a)) = uint32(op.Imm)
				continue
			}
			t.pc = pc - 1
			if !t.store(a, 4, uint64(op.Imm)) {
				return stopped
			}
			goto resume
		case OpStoreK64:
			a := r[d] + uint64(int64(op.Off))
			if t.wpkt.has(a, 8) {
				*(*uint64)(ptr(a)) = uint64(op.Imm)
				continue
			}
			t.pc = pc - 1
			if !t.store(a, 8, uint64(op.Imm)) {
				return stopped
			}
			goto resume
		case OpStoreStack8:
			*(*uint8)(ptr(r[10] + uint64(int64(op.Off)))) = uint8(r[s])
			continue
		case OpStoreStack16:
			*(*uint16)(ptr(r[10] + uint64(int64(op.Off)))) = uint16(r[s])
			continue
		case OpStoreStack32:
			*(*uint32)(ptr(r[10] + uint64(int64(op.Off)))) = uint32(r[s])
			continue
		case OpStoreStack64:
			*(*uint64)(ptr(r[10] + uint64(int64(op.Off)))) = uint64(r[s])
			continue
		case OpStoreStackK8:
			*(*uint8)(ptr(r[10] + uint64(int64(op.Off)))) = uint8(op.Imm)
			continue
		case OpStoreStackK16:
			*(*uint16)(ptr(r[10] + uint64(int64(op.Off)))) = uint16(op.Imm)
			continue
		case OpStoreStackK32:
			*(*uint32)(ptr(r[10] + uint64(int64(op.Off)))) = uint32(op.Imm)
			continue
		case OpStoreStackK64:
			*(*uint64)(ptr(r[10] + uint64(int64(op.Off)))) = uint64(op.Imm)
			continue
		case OpAtomic32, OpAtomic64:
			t.pc = pc - 1
			if !t.atomic(op) {
				return stopped
			}
			goto resume
		case OpLoadAbs, OpLoadInd:
			t.pc = pc - 1
			switch t.loadLegacy(op) {
			case legacyLoaded:
				goto resume
			case legacyShort:
				goto exit // the packet is too short: the function ends with 0
			default:
				return stopped
			}

		case OpJA:
		case OpJEqK:
			if !(r[d] == uint64(op.Imm)) {
				continue
			}
		case OpJEqX:
			if !(r[d] == r[s]) {
				continue
			}
		case OpJGtK:
			if !(r[d] > uint64(op.Imm)) {
				continue
			}
		case OpJGtX:
			if !(r[d] > r[s]) {
				continue
			}
		case OpJGeK:
			if !(r[d] >= uint64(op.Imm)) {
				continue
			}
		case OpJGeX:
			if !(r[d] >= r[s]) {
				continue
			}
		case OpJSetK:
			if !(r[d]&uint64(op.Imm) != 0) {
				continue
			}
		case OpJSetX:
			if !(r[d]&r[s] != 0) {
				continue
			}
		case OpJNeK:
			if !(r[d] != uint64(op.Imm)) {
				continue
			}
		case OpJNeX:
			if !(r[d] != r[s]) {
				continue
			}
		case OpJSGtK:
			if !(int64(r[d]) > op.Imm) {
				continue
			}
		case OpJSGtX:
			if !(int64(r[d]) > int64(r[s])) {
				continue
			}
		case OpJSGeK:
			if !(int64(r[d]) >= op.Imm) {
				continue
			}
		case OpJSGeX:
			if !(int64(r[d]) >= int64(r[s])) {
				continue
			}
		case OpJLtK:
			if !(r[d] < uint64(op.Imm)) {
				continue
			}
		case OpJLtX:
			if !(r[d] < r[s]) {
				continue
			}
		case OpJLeK:
			if !(r[d] <= uint64(op.Imm)) {
				continue
			}
		case OpJLeX:
			if !(r[d] <= r[s]) {
				continue
			}
		case OpJSLtK:
			if !(int64(r[d]) < op.Imm) {
				continue
			}
		case OpJSLtX:
			if !(int64(r[d]) < int64(r[s])) {
				continue
			}
		case OpJSLeK:
			if !(int64(r[d]) <= op.Imm) {
				continue
			}
		case OpJSLeX:
			if !(int64(r[d]) <= int64(r[s])) {
				continue
			}
		case OpJEqK32:
			if !(uint32(r[d]) == uint32(op.Imm)) {
				continue
			}
		case OpJEqX32:
			if !(uint32(r[d]) == uint32(r[s])) {
				continue
			}
		case OpJGtK32:
			if !(uint32(r[d]) > uint32(op.Imm)) {
				continue
			}
		case OpJGtX32:
			if !(uint32(r[d]) > uint32(r[s])) {
				continue
			}
		case OpJGeK32:
			if !(uint32(r[d]) >= uint32(op.Imm)) {
				continue
			}
		case OpJGeX32:
			if !(uint32(r[d]) >= uint32(r[s])) {
				continue
			}
		case OpJSetK32:
			if !(uint32(r[d])&uint32(op.Imm) != 0) {
				continue
			}
		case OpJSetX32:
			if !(uint32(r[d])&uint32(r[s]) != 0) {
				continue
			}
		case OpJNeK32:
			if !(uint32(r[d]) != uint32(op.Imm)) {
				continue
			}
		case OpJNeX32:
			if !(uint32(r[d]) != uint32(r[s])) {
				continue
			}
		case OpJSGtK32:
			if !(int32(r[d]) > int32(op.Imm)) {
				continue
			}
		case OpJSGtX32:
			if !(int32(r[d]) > int32(r[s])) {
				continue
			}
		case OpJSGeK32:
			if !(int32(r[d]) >= int32(op.Imm)) {
				continue
			}
		case OpJSGeX32:
			if !(int32(r[d]) >= int32(r[s])) {
				continue
			}
		case OpJLtK32:
			if !(uint32(r[d]) < uint32(op.Imm)) {
				continue
			}
		case OpJLtX32:
			if !(uint32(r[d]) < uint32(r[s])) {
				continue
			}
		case OpJLeK32:
			if !(uint32(r[d]) <= uint32(op.Imm)) {
				continue
			}
		case OpJLeX32:
			if !(uint32(r[d]) <= uint32(r[s])) {
				continue
			}
		case OpJSLtK32:
			if !(int32(r[d]) < int32(op.Imm)) {
				continue
			}
		case OpJSLtX32:
			if !(int32(r[d]) < int32(r[s])) {
				continue
			}
		case OpJSLeK32:
			if !(int32(r[d]) <= int32(op.Imm)) {
				continue
			}
		case OpJSLeX32:
			if !(int32(r[d]) <= int32(r[s])) {
				continue
			}
		case OpMayGoto:
			t.mayGotos++
			if t.mayGotos < maxMayGotos {
				continue
			}
		case OpHelper:
			t.pc = pc - 1
			t.budget -= callCost
			t.R[0] = t.prog.helpers[op.Imm](t)
			if t.stop != nil {
				return stopped
			}
			goto resume
		case OpCall:
			t.pc = pc - 1
			if !t.enter(op.Off) {
				return stopped
			}
			goto resume
		case OpTailCall:
			t.pc = pc - 1
			t.tailCall()
			if t.stop != nil {
				return stopped
			}
			goto resume
		case OpTraced:
			t.prog.trace(pc-1, r)
			op = &t.prog.plain[pc-1]
			goto again
		case OpExit:
			t.pc = pc - 1
			goto exit
		default:
			t.pc = pc - 1
			if !t.rare(op) {
				return stopped
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
			if !t.refill() {
				return stopped
			}
		}
		pc = int(op.Off)
		if t.prog.Native != nil {
			t.pc = pc - 1
			return resumed
		}
		continue
	exit:
		if r[10] == base {
			return finished
		}
		t.leave()
	resume:
		if t.prog.Native != nil {
			return resumed
		}
		// Calls leave where to go on in t. Keeping nothing else across them
		// spares the loop from spilling its registers at every instruction.
		ops, pc = t.prog.ops, t.pc+1
	}
}
