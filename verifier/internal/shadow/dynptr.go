package shadow

const dynptrSize = 16

// makeDynptr puts a dynptr where a register points to.
func (r *run) makeDynptr(reg int, d *dynptr) error {
	if err := r.fill(reg, dynptrSize); err != nil {
		return err
	}
	return r.place(reg, d)
}

// place notes what stands on the stack from where a register points to.
func (r *run) place(reg int, d *dynptr) error {
	p := r.regs[reg]
	if p.o.kind != objFrame {
		return r.wrong("a dynptr is made in a %s", p.o.kind)
	}
	if p.o.dyns == nil {
		p.o.dyns = map[int]*dynptr{}
	}
	p.o.dyns[int(p.n-p.o.base)] = d
	return nil
}

func (r *run) dynptrArg(reg int) (*dynptr, error) {
	p := r.regs[reg]
	if p.o != nil {
		if d := p.o.dyns[int(p.n-p.o.base)]; d != nil {
			return d, nil
		}
	}
	return nil, r.wrong("R%d of a call is %s, where no dynptr is", reg, p)
}

func (r *run) dynptrFromMem() (val, error) {
	data, size := r.regs[1], int(uint32(r.regs[2].n))
	if _, err := r.bytes(1, size); err != nil {
		return val{}, err
	}
	if r.regs[3].n != 0 {
		return failed(-22), r.makeDynptr(4, &dynptr{})
	}
	return val{}, r.makeDynptr(4, &dynptr{obj: data.o, off: int(data.n - data.o.base), size: size})
}

func (r *run) dynptrRead() (val, error) {
	if _, err := r.dynptrArg(3); err != nil {
		return val{}, err
	}
	return r.reads(1, 2)
}

func (r *run) dynptrWrite() (val, error) {
	d, err := r.dynptrArg(1)
	if err != nil {
		return val{}, err
	}
	off, n := r.regs[2].n, int(r.regs[4].n)
	b, err := r.bytes(3, n)
	if err != nil {
		return val{}, err
	}
	o := r.memory(d)
	if o == nil || off > uint64(d.size) || n > d.size-int(off) || d.off+int(off)+n > len(o.data) {
		return failed(-7), nil
	}
	at := d.off + int(off)
	o.forget(at, n)
	copy(o.data[at:], b)
	return val{}, nil
}

func (r *run) dynptrData() (val, error) {
	d, err := r.dynptrArg(1)
	if err != nil {
		return val{}, err
	}
	off, n := r.regs[2].n, r.regs[3].n
	if d.obj == nil || off > uint64(d.size) || n > uint64(d.size)-off {
		return val{}, nil
	}
	return val{d.obj.base + uint64(d.off) + off, d.obj}, nil
}

func (r *run) reserveDynptr() (val, error) {
	if _, err := r.mapArg(1); err != nil {
		return val{}, err
	}
	size := int(uint32(r.regs[2].n))
	d := &dynptr{size: size}
	if r.rng.IntN(3) > 0 && size < 1<<20 {
		d.obj = r.object(objMemory, size)
	} else {
		d.size = 0
	}
	// The reference is the dynptr's, also if there is no record.
	if d.obj == nil {
		d.obj = r.object(objMemory, 0)
	}
	r.hold(d.obj)
	err := r.makeDynptr(4, d)
	if d.size == 0 {
		return failed(-12), err
	}
	return val{}, err
}

func (r *run) submitDynptr() (val, error) {
	d, err := r.dynptrArg(1)
	if err != nil {
		return val{}, err
	}
	if err := r.letGo(d.obj); err != nil {
		return val{}, err
	}
	at := int(r.regs[1].n - r.regs[1].o.base)
	r.regs[1].o.forget(at, dynptrSize)
	return val{}, nil
}
