package lang

import (
	"encoding/binary"

	"github.com/cilium/ebpf/asm"

	"github.com/skepdev/skep/lang/internal/ir"
	"github.com/skepdev/skep/lang/internal/types"
	"github.com/skepdev/skep/lang/syntax"
)

// aligned is the largest power of two up to 8 by which an address is aligned.
// Objects begin at multiples of 8; addresses in registers do too, as far as
// they are the beginnings of objects.
func aligned(a ir.Arg) int {
	if a.Kind != ir.ArgSlot && a.Kind != ir.ArgMapValue {
		return 8
	}
	for n := 8; n > 1; n /= 2 {
		if a.Imm%int64(n) == 0 {
			return n
		}
	}
	return 1
}

// inlineBytes is how much is copied or cleared by single instructions; more is
// left to helpers.
const inlineBytes = 64

// zero clears size bytes of our own memory. For large objects it reads from
// address 0: bpf_probe_read_kernel clears what it cannot read.
func (g *gen) zero(dst ir.Arg, size int) {
	if size > inlineBytes {
		g.f.Call(asm.FnProbeReadKernel, dst, ir.Imm(int64(size)), ir.Imm(0))
		return
	}
	step := aligned(dst)
	for off := 0; off < size; {
		n := step
		for n > size-off {
			n /= 2
		}
		g.f.Store(n, dst, off, ir.Imm(0))
		off += n
	}
}

// moveBytes copies size bytes within our own memory.
func (g *gen) moveBytes(dst, src ir.Arg, size int) {
	step := min(aligned(dst), aligned(src))
	if size > inlineBytes || step < 4 && size > 16 {
		g.f.Call(asm.FnProbeReadKernel, dst, ir.Imm(int64(size)), src)
		return
	}
	for off := 0; off < size; {
		n := step
		for n > size-off {
			n /= 2
		}
		g.f.Store(n, dst, off, g.f.Load(n, src, off))
		off += n
	}
}

// storeText writes a literal, padded with zeros to size.
func (g *gen) storeText(dst ir.Arg, s string, size int) {
	if len(s) >= size {
		s = s[:max(size-1, 0)]
	}
	buf := make([]byte, (size+7)&^7)
	copy(buf, s)
	used := min((len(s)+8)&^7, size)
	if size > inlineBytes && used < size {
		g.zero(dst, size)
	} else {
		used = size
	}
	step := aligned(dst)
	for off := 0; off < used; {
		n := step
		for n > size-off {
			n /= 2
		}
		var v uint64
		switch n {
		case 1:
			v = uint64(buf[off])
		case 2:
			v = uint64(binary.NativeEndian.Uint16(buf[off:]))
		case 4:
			v = uint64(binary.NativeEndian.Uint32(buf[off:]))
		default:
			v = binary.NativeEndian.Uint64(buf[off:])
		}
		g.f.Store(n, dst, off, ir.Imm(int64(v)))
		off += n
	}
}

// literal is a string constant in memory.
func (g *gen) literal(s string) value {
	t := types.StringType(len(s) + 1)
	dst := g.temp(t.Size)
	g.storeText(dst, s, t.Size)
	return value{t: t, a: dst, clean: true}
}

// readString copies a NUL-terminated string of at most size bytes, its end
// included.
func (g *gen) readString(dst ir.Arg, size int, src ir.Arg, sp space) {
	h, name := asm.FnProbeReadKernelStr, "probe_read_kernel_str"
	if sp == spUser {
		h, name = asm.FnProbeReadUserStr, "probe_read_user_str"
	}
	g.checkRead(g.f.Call(h, dst, ir.Imm(int64(size)), src), name)
}

// own is an object in our own memory.
func (g *gen) own(v value) value {
	if v.t.Scalar() || v.space == spOwn {
		return v
	}
	dst := g.temp(max(v.t.Size, 8))
	g.fetch(dst, v)
	return value{t: v.t, a: dst}
}

// fetch copies an object from wherever it is.
func (g *gen) fetch(dst ir.Arg, v value) {
	switch {
	case v.space == spOwn:
		g.moveBytes(dst, v.a, v.t.Size)
	case v.space == spCtx && v.t.Ctx && g.u.provider() == "uprobe":
		g.gatherArgs(dst, v)
	case v.t.Kind == types.String && v.space != spCtx:
		g.probeRead(dst, v.t.Size, v.a, v.space)
	case v.space == spCtx:
		g.probeRead(dst, v.t.Size, v.a, spKernel)
	default:
		g.probeRead(dst, v.t.Size, v.a, v.space)
	}
}

// into computes e as type t at dst. clean asks that nothing is left behind the
// ends of strings; the memory is cleared already then.
func (g *gen) into(dst ir.Arg, t *types.Type, e syntax.Expr, clean bool) {
	if t.Scalar() {
		g.f.Store(t.Size, dst, 0, g.conv(g.expr(e), t).a)
		return
	}
	switch x := e.(type) {
	case *syntax.Str:
		if t.Kind == types.String {
			g.storeText(dst, x.Value, t.Size)
			return
		}
	case *syntax.Tuple:
		if t.Kind == types.Tuple {
			g.intoFields(dst, t, x.Elems, nil, clean)
			return
		}
	case *syntax.Record:
		if t.Kind == types.Record {
			g.intoFields(dst, t, x.Elems, x.Names, clean)
			return
		}
	case *syntax.Call:
		if f := g.c.fn[x.Name]; f != nil && f.into != nil {
			f.into(g, dst, t, x)
			return
		}
	case *syntax.Ident:
		if x.Name == "comm" && t.Kind == types.String && t.Size >= 16 {
			g.comm(dst)
			if clean || t.Size == 16 {
				return
			}
			g.zero(g.f.Plus(dst, 16), t.Size-16)
			return
		}
	}
	g.copyTo(dst, t, g.expr(e), clean)
}

func (g *gen) intoFields(dst ir.Arg, t *types.Type, elems []syntax.Expr, names []string, clean bool) {
	if !clean {
		g.zeroGaps(dst, t)
	}
	for i, x := range elems {
		f := t.Fields[i]
		if names != nil {
			f = *t.Field(names[i])
		}
		m := g.mark()
		g.into(g.f.Plus(dst, f.Off), f.Type, x, clean)
		g.release(m)
	}
}

// zeroGaps clears what lies between fields.
func (g *gen) zeroGaps(dst ir.Arg, t *types.Type) {
	end := 0
	for _, f := range append(append([]types.Field{}, t.Fields...), types.Field{Off: t.Size, Type: types.TVoid}) {
		for end < f.Off {
			n := 1
			for n < 8 && end%(n*2) == 0 && end+n*2 <= f.Off {
				n *= 2
			}
			g.f.Store(n, dst, end, ir.Imm(0))
			end += n
		}
		end = f.Off + f.Type.Size
	}
}

// copyTo stores v as type t at dst.
func (g *gen) copyTo(dst ir.Arg, t *types.Type, v value, clean bool) {
	switch {
	case t.Scalar():
		g.f.Store(t.Size, dst, 0, g.conv(v, t).a)
	case t.Kind == types.String:
		g.copyString(dst, t, v, clean)
	case (t.Kind == types.Tuple || t.Kind == types.Record) && (clean || !types.Equal(t, v.t)):
		v = g.own(v)
		if !clean {
			g.zeroGaps(dst, t)
		}
		for i, f := range t.Fields {
			from := v.t.Fields[i]
			if t.Kind == types.Record {
				if named := v.t.Field(f.Name); named != nil {
					from = *named
				}
			}
			g.copyTo(g.f.Plus(dst, f.Off), f.Type, g.load(from.Type, g.f.Plus(v.a, from.Off), spOwn), clean)
		}
	case t.Kind == types.Buffer && v.t.Size < t.Size:
		g.fetch(dst, v)
		if !clean {
			g.zeroFrom(dst, v.t.Size, t.Size)
		}
	default:
		g.fetch(dst, v)
	}
}

func (g *gen) copyString(dst ir.Arg, t *types.Type, v value, clean bool) {
	size := min(t.Size, v.t.Size)
	switch {
	case v.space == spOwn && !v.clean && clean:
		g.readString(dst, size, v.a, spKernel)
	case v.space == spOwn:
		g.moveBytes(dst, v.a, size)
	default:
		g.readChars(dst, size, v, clean)
	}
	if size < t.Size && !clean {
		g.zeroFrom(dst, size, t.Size)
	}
	if size == t.Size && v.t.Size > t.Size && v.space == spOwn {
		g.f.Store(1, dst, t.Size-1, ir.Imm(0))
	}
}

// readChars copies an array of characters, which may fill its room without an
// end.
func (g *gen) readChars(dst ir.Arg, size int, v value, clean bool) {
	sp := spKernel
	if v.space == spUser {
		sp = spUser
	}
	if !clean {
		g.probeRead(dst, size, v.a, sp)
		return
	}
	g.readString(dst, size, v.a, sp)
	if size < 2 {
		return
	}
	more, end := g.f.NewBlock(), g.f.NewBlock()
	g.f.Branch(asm.JNE, g.f.Load(1, dst, size-2), ir.Imm(0), more, end)
	g.f.Start(more)
	g.f.Store(1, dst, size-1, g.loadInt(1, false, g.f.Plus(v.a, size-1), sp))
	g.f.Jump(end)
	g.f.Start(end)
}

// zeroFrom clears dst[from:to]; the first bytes may be unaligned.
func (g *gen) zeroFrom(dst ir.Arg, from, to int) {
	for from < to && from%8 != 0 {
		g.f.Store(1, dst, from, ir.Imm(0))
		from++
	}
	if from < to {
		g.zero(g.f.Plus(dst, from), to-from)
	}
}

// comm reads the current thread's name, 16 bytes.
func (g *gen) comm(dst ir.Arg) {
	g.f.Call(asm.FnGetCurrentComm, dst, ir.Imm(16))
}

// compareObjects is the truth of x == y or x != y for strings, arrays, tuples.
func (g *gen) compareObjects(e *syntax.Binary, a, b *types.Type) ir.Arg {
	equal := g.equalTo(e.X, e.Y, a, b)
	if e.Op == "!=" {
		return g.f.Bin(asm.Xor, equal, ir.Imm(1))
	}
	return equal
}

func (g *gen) equalTo(x, y syntax.Expr, a, b *types.Type) ir.Arg {
	if a.Kind == types.String {
		if s, ok := constStr(y); ok {
			return g.equalsText(g.expr(x), s)
		}
		if s, ok := constStr(x); ok {
			return g.equalsText(g.expr(y), s)
		}
	}
	t := types.Promote(a, b)
	if t == nil || a.Kind == types.Array {
		t = a
	}
	if a.Kind == types.KSym {
		return g.flag(asm.JEq, g.expr(x).a, g.expr(y).a)
	}
	size := (t.Size + 7) &^ 7
	p, q := g.temp(size), g.temp(size)
	for i, e := range []syntax.Expr{x, y} {
		dst := []ir.Arg{p, q}[i]
		g.zero(dst, size)
		g.into(dst, t, e, true)
	}
	return g.equalWords(p, q, size)
}

// equalsText compares a string with a literal, 8 bytes at a time; the first
// difference ends it.
func (g *gen) equalsText(v value, s string) ir.Arg {
	n := len(s) + 1
	if v.t.Size < n {
		if v.t.Size != len(s) {
			return ir.Imm(0)
		}
		n = len(s) // an array without room for the end
	}
	if v.space != spOwn {
		size := min((n+7)&^7+8, (v.t.Size+7)&^7)
		dst := g.temp(size)
		g.zero(dst, size)
		g.readString(dst, min(size, max(v.t.Size, n)), v.a, map[bool]space{true: spUser, false: spKernel}[v.space == spUser])
		v = value{t: types.StringType(size), a: dst}
	}
	r := g.f.NewReg()
	no, end := g.f.NewBlock(), g.f.NewBlock()
	buf := append([]byte(s), make([]byte, 9)...)
	base := v.a
	for off := 0; off < n; {
		w := 8
		for w > n-off {
			w /= 2
		}
		var want uint64
		switch w {
		case 8:
			want = binary.NativeEndian.Uint64(buf[off:])
		case 4:
			want = uint64(binary.NativeEndian.Uint32(buf[off:]))
		case 2:
			want = uint64(binary.NativeEndian.Uint16(buf[off:]))
		default:
			want = uint64(buf[off])
		}
		next := g.f.NewBlock()
		g.f.Branch(asm.JEq, g.f.Load(w, base, off), ir.Imm(int64(want)), next, no)
		g.f.Start(next)
		off += w
	}
	g.f.Set(r, ir.Imm(1))
	g.f.Jump(end)
	g.f.Start(no)
	g.f.Set(r, ir.Imm(0))
	g.f.Jump(end)
	g.f.Start(end)
	return ir.R(r)
}

// equalWords compares size bytes, a multiple of 8, of our own memory.
func (g *gen) equalWords(p, q ir.Arg, size int) ir.Arg {
	r := g.f.NewReg()
	no, end := g.f.NewBlock(), g.f.NewBlock()
	if size <= 128 {
		for off := 0; off < size; off += 8 {
			next := g.f.NewBlock()
			g.f.Branch(asm.JEq, g.f.Load(8, p, off), g.f.Load(8, q, off), next, no)
			g.f.Start(next)
		}
	} else {
		i := g.f.NewReg()
		p, q = g.f.InReg(p), g.f.InReg(q)
		g.f.Set(i, ir.Imm(0))
		head, body, next, done := g.f.NewBlock(), g.f.NewBlock(), g.f.NewBlock(), g.f.NewBlock()
		g.f.Jump(head)
		g.f.Start(head)
		g.f.Branch(asm.JLT, ir.R(i), ir.Imm(int64(size)), body, done)
		g.f.Start(body)
		a := g.f.Load(8, g.f.Bin(asm.Add, p, ir.R(i)), 0)
		b := g.f.Load(8, g.f.Bin(asm.Add, q, ir.R(i)), 0)
		g.f.Branch(asm.JEq, a, b, next, no)
		g.f.Start(next)
		g.f.Set(i, g.f.Bin(asm.Add, ir.R(i), ir.Imm(8)))
		g.f.Jump(head)
		g.f.Start(done)
	}
	g.f.Set(r, ir.Imm(1))
	g.f.Jump(end)
	g.f.Start(no)
	g.f.Set(r, ir.Imm(0))
	g.f.Jump(end)
	g.f.Start(end)
	return ir.R(r)
}

// usym is an address with the process it is of.
func (g *gen) usym(addr ir.Arg) value {
	dst := g.temp(16)
	addr = g.f.InReg(addr)
	g.f.Store(8, dst, 0, addr)
	g.f.Store(8, dst, 8, g.pid())
	return value{t: types.TUSym, a: dst}
}

// pid is the current process.
func (g *gen) pid() ir.Arg { return g.f.Bin(asm.RSh, g.f.Call(asm.FnGetCurrentPidTgid), ir.Imm(32)) }

// stored is a value as maps hold it: scalars alone take 8 bytes.
func (g *gen) stored(t *types.Type, at ir.Arg) value {
	if t.Scalar() {
		return scalar(g.f.Load(8, at, 0), t)
	}
	return value{t: t, a: at}
}
