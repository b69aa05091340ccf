package shadow

import (
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/skepdev/skep/abi"
	"github.com/skepdev/skep/isa"
	"github.com/skepdev/skep/verifier/internal/check"
)

// mapState is a map's content.
type mapState struct {
	*check.Map
	index  int
	self   *object
	values map[string]*object
}

func (r *run) newMap(i int, m *check.Map) *mapState {
	s := &mapState{Map: m, index: i, values: map[string]*object{}}
	s.self = r.object(objMap, 0)
	s.self.index = i
	if m.Type == abi.MapArray {
		for k := range min(m.MaxEntries, 64) {
			v := r.value(s)
			if m.Frozen && len(m.Contents) > 0 {
				copy(v.data, m.Contents)
			}
			s.values[string(binary.LittleEndian.AppendUint32(nil, k))] = v
		}
	}
	return s
}

// value is a new element with numbers that may matter.
func (r *run) value(m *mapState) *object {
	v := r.object(objValue, int(m.ValueSize))
	v.index = m.index
	for i := 0; i+8 <= len(v.data); i += 8 {
		binary.LittleEndian.PutUint64(v.data[i:], r.number())
	}
	return v
}

// first is the value that addresses of map values are relative to.
func (m *mapState) first() *object { return m.values["\x00\x00\x00\x00"] }

// bytes are size bytes at what a register points to.
func (r *run) bytes(reg, size int) ([]byte, error) {
	p := r.regs[reg]
	if size == 0 {
		return nil, nil
	}
	at, err := p.span(0, size)
	if err != nil {
		return nil, r.wrong("R%d of a call: %v", reg, err)
	}
	return p.o.data[at : at+size], nil
}

// fill writes size bytes that nothing is known of.
func (r *run) fill(reg, size int) error {
	b, err := r.bytes(reg, size)
	if err != nil || size == 0 {
		return err
	}
	if p := r.regs[reg]; p.o.kind == objSocket || p.o.kind == objContext || p.o.kind == objKernel || p.o.readOnly {
		return r.wrong("a call writes to a %s", p.o.kind)
	}
	at := int(r.regs[reg].n - r.regs[reg].o.base)
	r.regs[reg].o.forget(at, size)
	for i := range b {
		b[i] = byte(r.rng.Uint32())
	}
	return nil
}

func (r *run) mapArg(reg int) (*mapState, error) {
	o := r.regs[reg].o
	if o == nil || o.kind != objMap {
		return nil, r.wrong("R%d of a call is %s, not a map", reg, r.regs[reg])
	}
	return r.maps[o.index], nil
}

func (r *run) hold(o *object) val {
	r.held = append(r.held, o)
	return val{o.base, o}
}

// letGo ends a reference.
func (r *run) letGo(o *object) error {
	i := slices.Index(r.held, o)
	if i < 0 {
		return r.wrong("a reference is released that is not held")
	}
	r.held = slices.Delete(r.held, i, i+1)
	o.gone = "was released"
	return nil
}

func failed(n int) val { return val{n: uint64(int64(n))} }

// call runs a helper: the result is in R0, and the arguments are lost.
func (r *run) call(ins isa.Instruction) error {
	if ins.IsKfuncCall() {
		return r.callKfunc(ins)
	}
	if !ins.IsHelperCall() {
		return fmt.Errorf("%w: %v", ErrUnmodelled, ins)
	}
	fn := abi.HelperID(ins.Imm)
	h, ok := helpers[fn]
	if !ok {
		return fmt.Errorf("%w: %s", ErrUnmodelled, fn)
	}
	v, err := h(r)
	if err != nil {
		return err
	}
	r.clobber()
	r.regs[0] = v
	return nil
}

var helpers map[abi.HelperID]func(*run) (val, error)

func init() {
	helpers = map[abi.HelperID]func(*run) (val, error){
		abi.FnMapLookupElem: (*run).mapLookup,
		abi.FnMapUpdateElem: (*run).mapUpdate,
		abi.FnMapDeleteElem: (*run).mapDelete,
		abi.FnMapPushElem:   func(r *run) (val, error) { return r.queue(false) },
		abi.FnMapPopElem:    func(r *run) (val, error) { return r.queue(true) },
		abi.FnMapPeekElem:   func(r *run) (val, error) { return r.queue(true) },
		abi.FnKtimeGetNs:    (*run).anyNumber,
		abi.FnJiffies64:     (*run).anyNumber,
		abi.FnGetPrandomU32: func(r *run) (val, error) { return val{n: uint64(uint32(r.number()))}, nil },
		abi.FnGetSmpProcessorId: func(r *run) (val, error) {
			return val{n: uint64(r.rng.IntN(r.j.cpus))}, nil
		},
		abi.FnProbeReadKernel: func(r *run) (val, error) { return r.reads(1, 2) },
		abi.FnSkbLoadBytes:    func(r *run) (val, error) { return r.reads(3, 4) },
		abi.FnXdpLoadBytes:    func(r *run) (val, error) { return r.reads(3, 4) },
		abi.FnCsumDiff: func(r *run) (val, error) {
			for _, a := range []int{1, 3} {
				if _, err := r.bytes(a, int(uint32(r.regs[a+1].n))); err != nil {
					return val{}, err
				}
			}
			return r.anyNumber()
		},
		abi.FnTailCall:       (*run).tailCall,
		abi.FnLoop:           (*run).bpfLoop,
		abi.FnForEachMapElem: (*run).forEach,
		abi.FnRingbufReserve: (*run).reserve,
		abi.FnRingbufSubmit:  (*run).submit,
		abi.FnRingbufDiscard: (*run).submit,
		abi.FnRingbufOutput: func(r *run) (val, error) {
			_, err := r.bytes(2, int(r.regs[3].n))
			return failed(-r.rng.IntN(2)), err
		},
		abi.FnSkLookupTcp:  (*run).lookupSocket,
		abi.FnSkcLookupTcp: (*run).lookupSocket,
		abi.FnSkRelease: func(r *run) (val, error) {
			return val{}, r.letGo(r.regs[1].o)
		},
		abi.FnDynptrFromMem:        (*run).dynptrFromMem,
		abi.FnDynptrRead:           (*run).dynptrRead,
		abi.FnDynptrWrite:          (*run).dynptrWrite,
		abi.FnDynptrData:           (*run).dynptrData,
		abi.FnRingbufReserveDynptr: (*run).reserveDynptr,
		abi.FnRingbufSubmitDynptr:  (*run).submitDynptr,
		abi.FnRingbufDiscardDynptr: (*run).submitDynptr,
		abi.FnXdpAdjustHead:        (*run).reshape,
		abi.FnXdpAdjustTail:        (*run).reshape,
		abi.FnXdpAdjustMeta:        (*run).reshape,
		abi.FnSkbPullData:          (*run).reshape,
		abi.FnSkbChangeHead:        (*run).reshape,
	}
}

// These take nothing that may be wrong and return a number.
func init() {
	for _, fn := range []abi.HelperID{
		abi.FnGetCurrentPidTgid, abi.FnGetCurrentUidGid, abi.FnGetCgroupClassid, abi.FnKtimeGetBootNs, abi.FnKtimeGetTaiNs,
		abi.FnKtimeGetCoarseNs, abi.FnGetNumaNodeId, abi.FnGetHashRecalc, abi.FnGetRouteRealm, abi.FnGetSocketCookie,
		abi.FnGetSocketUid, abi.FnGetCurrentCgroupId, abi.FnSkbEcnSetCe,
	} {
		helpers[fn] = (*run).anyNumber
	}
	helpers[abi.FnGetCurrentComm] = func(r *run) (val, error) { return r.reads(1, 2) }
}

func (r *run) anyNumber() (val, error) { return val{n: r.number()}, nil }

func (r *run) reads(buf, size int) (val, error) {
	err := r.fill(buf, int(r.regs[size].n))
	return failed(-14 * r.rng.IntN(2)), err
}

// reshape moves the packet, or fails and keeps it; the verifier may not know which.
func (r *run) reshape() (val, error) {
	if r.rng.IntN(3) == 0 {
		return failed(-22), nil
	}
	r.newPacket(r.rng.IntN(120))
	return val{}, nil
}

// tailCall never returns if it succeeds: the other program returns in the place of
// the function that called it, after it did to the packet what it liked.
func (r *run) tailCall() (val, error) {
	if r.rng.IntN(3) > 0 {
		return r.anyNumber()
	}
	if r.depth > 0 {
		r.newPacket(r.rng.IntN(120))
		r.clobber()
		r.regs[0] = val{n: r.number()}
		return val{}, errReplaced
	}
	if r.in.open() {
		return val{}, r.wrong("a tail call inside a section")
	}
	if len(r.held) > 0 {
		return val{}, r.wrong("a tail call with %d references", len(r.held))
	}
	return val{}, errOver
}

func (r *run) key() (*mapState, string, error) {
	m, err := r.mapArg(1)
	if err != nil {
		return nil, "", err
	}
	b, err := r.bytes(2, int(m.KeySize))
	return m, string(b), err
}

func (r *run) mapLookup() (val, error) {
	m, key, err := r.key()
	if err != nil {
		return val{}, err
	}
	v := m.values[key]
	switch {
	case v != nil:
	case m.Type == abi.MapArray || r.rng.IntN(3) == 0:
		return val{}, nil
	default: // somebody else put it there
		v = r.value(m)
		m.values[key] = v
	}
	return val{v.base, v}, nil
}

func (r *run) mapUpdate() (val, error) {
	m, key, err := r.key()
	if err != nil {
		return val{}, err
	}
	b, err := r.bytes(3, int(m.ValueSize))
	if err != nil {
		return val{}, err
	}
	if v := m.values[key]; v != nil {
		copy(v.data, b)
		v.ptrs = nil
	}
	return failed(-r.rng.IntN(2)), nil
}

func (r *run) mapDelete() (val, error) {
	m, key, err := r.key()
	if err == nil && m.Type == abi.MapHash {
		delete(m.values, key) // who points to it may go on
	}
	return failed(-22 * r.rng.IntN(2)), err
}

func (r *run) queue(writes bool) (val, error) {
	m, err := r.mapArg(1)
	if err != nil {
		return val{}, err
	}
	if writes {
		err = r.fill(2, int(m.ValueSize))
	} else {
		_, err = r.bytes(2, int(m.ValueSize))
	}
	return failed(-2 * r.rng.IntN(2)), err
}

// callback runs a function to its end.
func (r *run) callback(fn *object, args ...val) (uint64, error) {
	if fn == nil || fn.kind != objFunc || r.depth+1 >= maxDepth {
		return 0, r.wrong("a callback cannot be called")
	}
	site := r.pc
	r.depth++
	r.enter(site)
	for i := range 10 {
		r.regs[i] = val{n: r.rng.Uint64()}
	}
	copy(r.regs[1:], args)
	r.pc = fn.index
	if err := r.loop(r.depth); err != nil {
		return 0, err
	}
	ret := r.regs[0].n
	r.leave()
	r.pc = site
	return ret, nil
}

func (r *run) bpfLoop() (val, error) {
	n, fn, ctx := uint64(uint32(r.regs[1].n)), r.regs[2].o, r.regs[3]
	if n > 1<<23 {
		return failed(-7), nil
	}
	for i := range n {
		ret, err := r.callback(fn, val{n: i}, ctx)
		if err != nil {
			return val{}, err
		}
		if ret != 0 {
			return val{n: i + 1}, nil
		}
	}
	return val{n: n}, nil
}

func (r *run) forEach() (val, error) {
	m, err := r.mapArg(1)
	if err != nil {
		return val{}, err
	}
	self, fn, ctx := r.regs[1], r.regs[2].o, r.regs[3]
	n := uint64(0)
	keys := make([]string, 0, len(m.values))
	for k := range m.values {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	for _, k := range keys {
		v := m.values[k]
		if v == nil {
			continue
		}
		key := r.object(objKey, 0)
		key.data, key.index = []byte(k), m.index
		n++
		ret, err := r.callback(fn, self, val{key.base, key}, val{v.base, v}, ctx)
		if err != nil || ret != 0 {
			return val{n: n}, err
		}
	}
	return val{n: n}, nil
}

func (r *run) reserve() (val, error) {
	if _, err := r.mapArg(1); err != nil {
		return val{}, err
	}
	size := r.regs[2].n
	if size >= 1<<20 || r.rng.IntN(3) == 0 {
		return val{}, nil
	}
	return r.hold(r.object(objMemory, int(size))), nil
}

func (r *run) submit() (val, error) {
	p := r.regs[1]
	if p.o == nil || p.n != p.o.base {
		return val{}, r.wrong("%s is submitted", p)
	}
	return val{}, r.letGo(p.o)
}

func (r *run) lookupSocket() (val, error) {
	if _, err := r.bytes(2, int(uint32(r.regs[3].n))); err != nil {
		return val{}, err
	}
	if r.rng.IntN(3) == 0 {
		return val{}, nil
	}
	return r.hold(r.object(objSocket, 80)), nil // struct bpf_sock
}
