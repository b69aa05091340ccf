package unwind

import (
	"debug/elf"
	"encoding/binary"
	"errors"
)

// goTable adds the rows of a Go binary, from the table that its run time walks
// stacks with: by address how far the stack pointer is below the return address
// (runtime/symtab.go, Go 1.18 and later).
func goTable(f *elf.File, b *builder) error {
	sec := f.Section(".gopclntab")
	if sec == nil {
		sec = f.Section(".data.rel.ro.gopclntab")
	}
	d, err := data(sec)
	if err != nil {
		return err
	}
	text := uint64(0)
	if s := f.Section(".text"); s != nil {
		text = s.Addr
	}
	if s := f.Section(".go.module"); s != nil && s.Size < maxSection {
		const textField = 176
		if m, err := s.Data(); err == nil && len(m) >= textField+8 {
			if v := binary.LittleEndian.Uint64(m[textField:]); v != 0 {
				text = v
			}
		}
	}
	return readGoTable(d, text, b)
}

// Flags and kinds of functions in Go's table (internal/abi/symtab.go).
const (
	goTopFrame = 1 << 0
	goSPWrite  = 1 << 1
)

// readGoTable reads .gopclntab; text is where code begins if it does not say.
func readGoTable(d []byte, text uint64, b *builder) error {
	const (
		magic118, magic120 = 0xfffffff0, 0xfffffff1
		header             = 8
		pointer            = 8
		entry              = 8 // 32-bit offsets of code and description
	)
	if len(d) < header+8*pointer || d[7] != pointer {
		return ErrNoTable
	}
	magic := binary.LittleEndian.Uint32(d)
	if magic != magic118 && magic != magic120 {
		return ErrNoTable
	}
	word := func(i int) uint64 { return binary.LittleEndian.Uint64(d[header+i*pointer:]) }
	count, pcs, funcs := word(0), word(6), word(7)
	if v := word(2); v != 0 {
		text = v
	}
	size := uint64(len(d))
	if count > MaxRows || funcs > size || count*entry+4 > size-funcs || pcs > size {
		return errors.New(".gopclntab: functions outside of it")
	}
	u32 := func(at uint64) uint64 {
		if at+4 > size || at+4 < at {
			return 0
		}
		return uint64(binary.LittleEndian.Uint32(d[at:]))
	}
	for i := range count {
		at := funcs + i*entry
		start, end := text+u32(at), text+u32(at+entry)
		desc := funcs + u32(at+4)
		// entryoff, nameoff, args, deferreturn, pcsp, pcfile, pcln, npcdata,
		// cuOffset, startLine (since 1.20), then bytes: funcID, flag
		flagAt := desc + 41
		if magic == magic118 {
			flagAt = desc + 37
		}
		flag := uint8(0)
		if flagAt < size {
			flag = d[flagAt]
		}
		if err := goFunction(d, pcs+u32(desc+16), start, end, flag, uint64(d[6]), b); err != nil {
			return err
		}
	}
	return nil
}

// goFunction adds one function's rows.
func goFunction(d []byte, tab, start, end uint64, flag uint8, unit uint64, b *builder) error {
	if end <= start || start < b.base {
		return nil
	}
	defer b.end(end)
	switch {
	case flag&goTopFrame != 0:
		return b.put(start, Row{Kind: KindEnd})
	case flag&goSPWrite != 0:
		return b.put(start, Row{Kind: KindFrame})
	case tab >= uint64(len(d)):
		return nil
	}
	c := &cursor{b: d, at: int(tab)}
	pc, sp := start, int64(-1)
	for first := true; pc < end; first = false {
		u := c.uleb()
		if (u == 0 && !first) || c.bad {
			break
		}
		sp += int64(int32(-(uint32(u) & 1) ^ (uint32(u) >> 1)))
		step := c.uleb() * unit
		if c.bad || step == 0 {
			break
		}
		if err := b.put(pc, goRow(sp)); err != nil {
			return err
		}
		pc += step
	}
	return nil
}

// goRow: sp bytes lie between the stack pointer and the return address; a
// function with a frame keeps the caller's frame pointer in its first word.
func goRow(sp int64) Row {
	const most = 1<<16 - 2
	if sp < 0 || sp%8 != 0 || sp/8 > most {
		return Row{Kind: KindUnsupported}
	}
	r := Row{Kind: KindSP, Offset: uint16(sp/8 + 1)}
	if sp > 0 {
		r.FP = -2
	}
	return r
}
