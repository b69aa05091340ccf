package unwind

import (
	"errors"
	"math"
)

// Registers as DWARF numbers them on x86-64.
const (
	regFP = 6
	regSP = 7
	regIP = 16
)

// rules are what holds at an address.
type rules struct {
	cfaReg   uint64
	cfaOff   int64
	cfaExpr  []byte // instead of register and offset
	fpSaved  bool   // at CFA + fpOff
	fpOff    int64
	fpExpr   []byte
	fpLost   bool
	raAbsent bool // there is no caller
}

type state struct{ rule rules }

// machine runs call frame instructions (DWARF 4, 6.4.2).
type machine struct {
	*cie
	pc, end  uint64
	state    state
	initial  state
	stack    []state
	emitting bool
	b        *builder
}

// errProgram: an instruction that is not known, or ends too early.
var errProgram = errors.New("bad call frame instructions")

// maxRemembered bounds the stack of states.
const maxRemembered = 32

// Instructions: three with an operand in the low six bits, the others by number.
const (
	cfaAdvanceLoc       = 1
	cfaOffset           = 2
	cfaRestore          = 3
	cfaNop              = 0x00
	cfaSetLoc           = 0x01
	cfaAdvanceLoc1      = 0x02
	cfaAdvanceLoc2      = 0x03
	cfaAdvanceLoc4      = 0x04
	cfaOffsetExtended   = 0x05
	cfaRestoreExtended  = 0x06
	cfaUndefined        = 0x07
	cfaSameValue        = 0x08
	cfaRegister         = 0x09
	cfaRememberState    = 0x0a
	cfaRestoreState     = 0x0b
	cfaDefCFA           = 0x0c
	cfaDefCFARegister   = 0x0d
	cfaDefCFAOffset     = 0x0e
	cfaDefCFAExpression = 0x0f
	cfaExpression       = 0x10
	cfaOffsetExtendedSF = 0x11
	cfaDefCFASF         = 0x12
	cfaDefCFAOffsetSF   = 0x13
	cfaValOffset        = 0x14
	cfaValOffsetSF      = 0x15
	cfaValExpression    = 0x16
	cfaGNUArgsSize      = 0x2e
	cfaGNUNegOffset     = 0x2f
)

func (m *machine) run(program []byte) error {
	c := &cursor{b: program}
	for c.left() > 0 {
		if err := m.step(c); err != nil {
			return err
		}
		if c.bad {
			return errProgram
		}
	}
	return nil
}

func (m *machine) step(c *cursor) error {
	op := c.u8()
	r := &m.state.rule
	low := uint64(op & 0x3f)
	switch op >> 6 {
	case cfaAdvanceLoc:
		return m.advance(low)
	case cfaOffset:
		m.saved(low, int64(c.uleb())*m.dataAlign)
		return nil
	case cfaRestore:
		m.restore(low)
		return nil
	}
	switch op {
	case cfaNop:
	case cfaSetLoc:
		return errProgram // needs the pointer's place; no compiler writes it
	case cfaAdvanceLoc1:
		return m.advance(uint64(c.u8()))
	case cfaAdvanceLoc2:
		return m.advance(uint64(c.u16()))
	case cfaAdvanceLoc4:
		return m.advance(uint64(c.u32()))
	case cfaOffsetExtended:
		m.saved(c.uleb(), int64(c.uleb())*m.dataAlign)
	case cfaOffsetExtendedSF:
		m.saved(c.uleb(), c.sleb()*m.dataAlign)
	case cfaGNUNegOffset:
		m.saved(c.uleb(), -int64(c.uleb())*m.dataAlign)
	case cfaRestoreExtended:
		m.restore(c.uleb())
	case cfaUndefined:
		m.undefined(c.uleb())
	case cfaSameValue:
		if reg := c.uleb(); reg == regFP {
			r.fpSaved, r.fpLost, r.fpExpr = false, false, nil
		}
	case cfaRegister, cfaValOffset:
		m.lost(c.uleb())
		c.uleb()
	case cfaValOffsetSF:
		m.lost(c.uleb())
		c.sleb()
	case cfaExpression:
		if reg, expr := c.uleb(), c.block(); reg == regFP {
			r.fpSaved, r.fpLost, r.fpExpr = false, false, expr
		}
	case cfaValExpression:
		m.lost(c.uleb())
		c.block()
	case cfaRememberState:
		if len(m.stack) >= maxRemembered {
			return errProgram
		}
		m.stack = append(m.stack, m.state)
	case cfaRestoreState:
		if len(m.stack) == 0 {
			return errProgram
		}
		m.state = m.stack[len(m.stack)-1]
		m.stack = m.stack[:len(m.stack)-1]
	case cfaDefCFA:
		r.cfaReg, r.cfaOff, r.cfaExpr = c.uleb(), int64(c.uleb()), nil
	case cfaDefCFASF:
		r.cfaReg, r.cfaOff, r.cfaExpr = c.uleb(), c.sleb()*m.dataAlign, nil
	case cfaDefCFARegister:
		r.cfaReg = c.uleb()
	case cfaDefCFAOffset:
		r.cfaOff = int64(c.uleb())
	case cfaDefCFAOffsetSF:
		r.cfaOff = c.sleb() * m.dataAlign
	case cfaDefCFAExpression:
		r.cfaExpr = c.block()
	case cfaGNUArgsSize:
		c.uleb()
	default:
		return errProgram
	}
	return nil
}

// advance ends the current row.
func (m *machine) advance(units uint64) error {
	if m.emitting && units > 0 {
		if err := m.emit(); err != nil {
			return err
		}
	}
	m.pc += units * m.codeAlign
	return nil
}

func (m *machine) saved(reg uint64, off int64) {
	r := &m.state.rule
	switch reg {
	case regFP:
		r.fpSaved, r.fpOff, r.fpExpr, r.fpLost = true, off, nil, false
	case m.ra:
		r.raAbsent = false
	}
}

func (m *machine) restore(reg uint64) {
	r, was := &m.state.rule, m.initial.rule
	switch reg {
	case regFP:
		r.fpSaved, r.fpOff, r.fpExpr, r.fpLost = was.fpSaved, was.fpOff, was.fpExpr, was.fpLost
	case m.ra:
		r.raAbsent = was.raAbsent
	}
}

func (m *machine) undefined(reg uint64) {
	switch reg {
	case m.ra:
		m.state.rule.raAbsent = true
	case regFP:
		m.lost(reg)
	}
}

// lost: the frame pointer is somewhere a row cannot say.
func (m *machine) lost(reg uint64) {
	if reg == regFP {
		m.state.rule.fpLost = true
	}
}

// emit adds the row that holds from m.pc on.
func (m *machine) emit() error {
	if m.pc >= m.end {
		return nil
	}
	return m.b.put(m.pc, m.row())
}

func (m *machine) unsupported() {
	if m.pc < m.end {
		_ = m.b.put(m.pc, Row{Kind: KindUnsupported})
	}
}

// row puts the current rules into eight bytes.
func (m *machine) row() Row {
	r := m.state.rule
	if m.signal {
		return Row{Kind: KindSignal}
	}
	if r.raAbsent {
		return Row{Kind: KindEnd}
	}
	var out Row
	switch {
	case r.cfaExpr != nil:
		out = expression(r.cfaExpr)
	case r.cfaOff < 0 || r.cfaOff%8 != 0 || r.cfaOff/8 > math.MaxUint16:
		return Row{Kind: KindUnsupported}
	case r.cfaReg == regSP:
		out = Row{Kind: KindSP, Offset: uint16(r.cfaOff / 8)}
	case r.cfaReg == regFP:
		out = Row{Kind: KindFP, Offset: uint16(r.cfaOff / 8)}
	default:
		return Row{Kind: KindUnsupported}
	}
	switch {
	case r.fpExpr != nil:
		const breg6 = 0x76
		if len(r.fpExpr) != 2 || r.fpExpr[0] != breg6 || r.fpExpr[1] != 0 {
			return Row{Kind: KindUnsupported}
		}
		out.FP = FPAtFP
	case r.fpSaved:
		if r.fpOff%8 != 0 || r.fpOff/8 >= FPAtFP || r.fpOff/8 < math.MinInt8 || r.fpOff == 0 {
			return Row{Kind: KindUnsupported}
		}
		out.FP = int8(r.fpOff / 8)
	}
	return out
}

// expression recognises the two expressions that compilers and linkers write
// for the CFA.
func expression(e []byte) Row {
	const breg6, breg7, deref = 0x76, 0x77, 0x06
	c := &cursor{b: e}
	switch c.u8() {
	case breg6: // *(frame pointer - offset)
		off := c.sleb()
		if c.u8() == deref && !c.bad && c.left() == 0 && off <= 0 && off%8 == 0 && -off/8 <= math.MaxUint16 {
			return Row{Kind: KindDeref, Offset: uint16(-off / 8)}
		}
	case breg7: // stack pointer + 8 + ((ip & 15) >= N) * 8
		const lit0, lit31 = 0x30, 0x4f
		if len(e) == 11 && e[1] == 8 && e[2] == 0x80 && e[3] == 0 && e[4] == 0x3f && e[5] == 0x1a &&
			e[6] >= lit0 && e[6] <= lit31 && e[7] == 0x2a && e[8] == 0x33 && e[9] == 0x24 && e[10] == 0x22 {
			return Row{Kind: KindPLT, Offset: uint16(e[6] - lit0)}
		}
	}
	return Row{Kind: KindUnsupported}
}
