package gen

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/skepdev/skep/abi"
	"github.com/skepdev/skep/isa"
)

// Map is a map that programs refer to. Sizes are in bytes.
type Map struct {
	Name                           string
	Type                           abi.MapType
	KeySize, ValueSize, MaxEntries uint32
	// Constants are the content of the only element of a map that nobody can change
	// any more; nil for other maps.
	Constants []byte
}

// Flags are those of BPF_MAP_CREATE.
func (m *Map) Flags() uint32 {
	if m.Constants != nil {
		return abi.FlagRdonlyProg
	}
	return 0
}

// Program is a random program.
type Program struct {
	Type abi.ProgramType
	// Insns name maps by their index in Maps (isa.PseudoMapIdx, isa.PseudoMapIdxValue)
	// and kernel functions by theirs in [Kfuncs].
	Insns []isa.Instruction
	Maps  []Map
}

// Clone is an independent copy.
func (p *Program) Clone() *Program {
	q := *p
	q.Insns, q.Maps = slices.Clone(p.Insns), slices.Clone(p.Maps)
	return &q
}

// Funcs are the slots at which functions start, in order: the first instruction,
// and what is called or has its address taken.
func (p *Program) Funcs() []int {
	funcs := []int{0}
	for i := 0; i < len(p.Insns); i += p.Insns[i].Width() {
		ins := p.Insns[i]
		if ins.IsSubprogCall() || ins.Op == isa.LdImm64 && ins.Src == isa.PseudoFunc {
			funcs = append(funcs, i+1+int(ins.Imm))
		}
	}
	slices.Sort(funcs)
	return slices.Compact(funcs)
}

// String lists the program with its maps.
func (p *Program) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "program type %s\n", p.Type)
	for i, m := range p.Maps {
		fmt.Fprintf(&b, "map %d: %s type %s key %d value %d entries %d\n", i, m.Name, m.Type, m.KeySize, m.ValueSize, m.MaxEntries)
	}
	funcs := p.Funcs()
	for i := 0; i < len(p.Insns); {
		if f := slices.Index(funcs, i); f >= 0 {
			fmt.Fprintf(&b, "func %d:\n", f)
		}
		text, width := isa.Disassemble(p.Insns, i)
		fmt.Fprintf(&b, "%4d: %s\n", i, text)
		i += max(1, width)
	}
	return b.String()
}

// Rand is a random source. Equal seeds make equal programs.
func Rand(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, 0x736b6570)) }

// Options change what is generated. The zero value is good.
type Options struct {
	// Types of programs; nil means [Types].
	Types []abi.ProgramType
	// Steps of a program at most, with those inside branches; 0 means 70.
	Steps int
	// Risk is how likely a safety step is left out. 0 means a mixture: some programs
	// leave out none, others up to half of them. A negative number means none.
	Risk float64
	// Mutations is how likely a program is changed blindly in a few places; 0 means
	// two in five, a negative number never.
	Mutations float64
}

// Types are the program types that are generated.
func Types() []abi.ProgramType {
	return []abi.ProgramType{abi.ProgSocketFilter, abi.ProgSchedCLS, abi.ProgXDP, abi.ProgCgroupSKB, abi.ProgRawTracepoint}
}

// Places of the maps that every program has.
const (
	hashMap = iota
	arrayMap
	ringMap
	progMap
	dataMap // as clang makes for global variables: one value, known at load
	queueMap
	constMap // frozen
)

// Maps are the maps that programs refer to.
func Maps() []Map {
	return []Map{
		hashMap:  {Name: "hash", Type: abi.MapHash, KeySize: 8, ValueSize: 48, MaxEntries: 16},
		arrayMap: {Name: "array", Type: abi.MapArray, KeySize: 4, ValueSize: 64, MaxEntries: 4},
		ringMap:  {Name: "ring", Type: abi.MapRingBuf, KeySize: 0, ValueSize: 0, MaxEntries: 4096},
		progMap:  {Name: "progs", Type: abi.MapProgArray, KeySize: 4, ValueSize: 4, MaxEntries: 4},
		dataMap:  {Name: "data", Type: abi.MapArray, KeySize: 4, ValueSize: 40, MaxEntries: 1},
		queueMap: {Name: "queue", Type: abi.MapQueue, KeySize: 0, ValueSize: 16, MaxEntries: 8},
		constMap: {Name: ".rodata", Type: abi.MapArray, KeySize: 4, ValueSize: uint32(len(constants)), MaxEntries: 1, Constants: constants},
	}
}

// New makes a program.
func New(rng *rand.Rand, o Options) *Program {
	types := o.Types
	if len(types) == 0 {
		types = Types()
	}
	steps := o.Steps
	if steps <= 0 {
		steps = 70
	}
	w := &writer{rng: rng, typ: types[rng.IntN(len(types))], risk: o.Risk}
	if w.risk == 0 && rng.IntN(7) > 0 {
		w.risk = []float64{0.05, 0.1, 0.2, 0.3, 0.4, 0.5}[rng.IntN(6)]
	}
	w.main(2 + rng.IntN(steps))
	p := &Program{Type: w.typ, Insns: w.out, Maps: Maps()}
	mutations := o.Mutations
	if mutations == 0 {
		mutations = 0.4
	}
	if rng.Float64() < mutations {
		for range 1 + rng.IntN(3) {
			p = Mutate(rng, p)
		}
	}
	return p
}
