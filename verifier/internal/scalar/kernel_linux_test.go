package scalar

import (
	"bytes"
	"encoding/binary"
	"errors"
	"flag"
	"math/rand/v2"
	"os"
	"runtime"
	"strings"
	"testing"
	"unsafe"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/rlimit"
	"golang.org/x/sys/unix"

	"github.com/skepdev/skep/isa"
)

var programs = flag.Int("scalar.programs", 1500, "how many random programs to compare with Linux")

// program generates numbers of every kind, computes and compares at random, and
// ends in an access to a map value at a computed offset, so that what is known
// of a number decides whether Linux accepts.
type program struct {
	*rand.Rand
	era   Era
	insns []isa.Instruction
	jumps []int // whose targets are not set yet
}

const (
	pointer = 9
	numbers = 9 // r0 to r8
)

func randomProgram(rng *rand.Rand, era Era, fd int) []isa.Instruction {
	p := program{Rand: rng, era: era}
	p.add(isa.Instruction{Op: isa.LdImm64, Dst: pointer, Src: isa.PseudoMapValue, Imm: int32(fd)}, isa.Instruction{})
	for reg := range uint8(numbers) {
		p.load(reg)
	}
	for range 4 + p.IntN(50) {
		switch k := p.IntN(20); {
		case k < 10:
			p.compute()
		case k < 15 && len(p.jumps) < 9:
			p.compare()
		case k < 16:
			p.load(p.reg())
		case k < 17 && p.IntN(2) == 0:
			p.add(isa.Instruction{Op: []uint8{isa.ToLE, isa.ToBE, isa.Bswap}[p.IntN(p.since6_6(2, 3))], Dst: p.reg(), Imm: int32(16 << p.IntN(3))})
		default:
			p.move()
		}
	}
	for _, at := range p.jumps {
		target := at + 1 + p.IntN(len(p.insns)-at)
		if target < len(p.insns) && p.insns[target].Op == 0 {
			target++ // not into the middle of a wide instruction
		}
		p.insns[at].Off = int16(target - at - 1)
	}
	index := p.reg()
	if p.IntN(4) != 0 { // else Linux sees few branches before it refuses
		p.add(isa.Instruction{Op: isa.ClassALU64 | isa.OpAnd, Dst: index, Imm: p.Int32N(2 * valueSize)})
	}
	p.add(isa.Instruction{Op: isa.ClassALU64 | isa.OpAdd | isa.SrcX, Dst: pointer, Src: index},
		isa.Instruction{Op: isa.ClassLDX | isa.ModeMEM | isa.SizeB, Dst: 0, Src: pointer},
		isa.Instruction{Op: isa.MovK}, isa.Instruction{Op: isa.Exit})
	return p.insns
}

func (p *program) add(ins ...isa.Instruction) { p.insns = append(p.insns, ins...) }
func (p *program) reg() uint8                 { return uint8(p.IntN(numbers)) }

func (p *program) load(reg uint8) {
	switch k := p.IntN(8); {
	case k == 7:
		v := randomValue(p.Rand)
		p.add(isa.Instruction{Op: isa.LdImm64, Dst: reg, Imm: int32(v)}, isa.Instruction{Imm: int32(v >> 32)})
	case k == 0:
		p.add(isa.Instruction{Op: []uint8{isa.MovK, isa.Mov32K}[p.IntN(2)], Dst: reg, Imm: p.imm()})
	case k == 1 && p.era >= linux6_6:
		size := []uint8{isa.SizeB, isa.SizeH, isa.SizeW}[p.IntN(3)]
		p.add(isa.Instruction{Op: isa.ClassLDX | isa.ModeMEMSX | size, Dst: reg, Src: pointer, Off: int16(8 * p.IntN(8))})
	default:
		size := []uint8{isa.SizeB, isa.SizeH, isa.SizeW, isa.SizeDW, isa.SizeDW}[p.IntN(5)]
		p.add(isa.Instruction{Op: isa.ClassLDX | isa.ModeMEM | size, Dst: reg, Src: pointer, Off: int16(8 * p.IntN(8))})
	}
}

// since6_6 is old before Linux 6.6, which brought instructions of version 4.
func (p *program) since6_6(old, now int) int {
	if p.era < linux6_6 {
		return old
	}
	return now
}

func (p *program) imm() int32 { return int32(randomValue(p.Rand)) }

func (p *program) operand(ins isa.Instruction) isa.Instruction {
	if p.IntN(2) == 0 {
		ins.Op, ins.Src = ins.Op|isa.SrcX, p.reg()
	} else {
		ins.Imm = p.imm()
	}
	return ins
}

func (p *program) compute() {
	op := aluOps[p.IntN(len(aluOps))]
	if p.IntN(3) == 0 {
		op = []uint8{isa.OpAdd, isa.OpAnd, isa.OpLsh, isa.OpRsh, isa.OpArsh}[p.IntN(5)]
	}
	class, width := uint8(isa.ClassALU64), int32(64)
	if p.IntN(3) == 0 {
		class, width = isa.ClassALU, 32
	}
	ins := isa.Instruction{Op: class | op, Dst: p.reg()}
	if op == isa.OpNeg {
		p.add(ins)
		return
	}
	ins = p.operand(ins)
	switch op {
	case isa.OpLsh, isa.OpRsh, isa.OpArsh:
		if ins.Source() == isa.SrcK {
			ins.Imm = p.Int32N(width)
		}
	case isa.OpDiv, isa.OpMod:
		ins.Off = int16(p.IntN(p.since6_6(1, 2)))
		if ins.Source() == isa.SrcK && ins.Imm == 0 {
			ins.Imm = 1
		}
	}
	p.add(ins)
}

// move copies, narrows and extends, often so that Linux links the two registers,
// and then often adds a constant to one of them.
func (p *program) move() {
	ins := isa.Instruction{Op: isa.MovX, Dst: p.reg(), Src: p.reg(), Off: []int16{0, 0, 0, 8, 16, 32}[p.IntN(p.since6_6(3, 6))]}
	if p.IntN(3) == 0 {
		ins.Op, ins.Off = isa.Mov32X, []int16{0, 0, 8, 16}[p.IntN(p.since6_6(2, 4))]
	}
	p.add(ins)
	for range p.IntN(2) {
		class := []uint8{isa.ClassALU64, isa.ClassALU64, isa.ClassALU}[p.IntN(3)]
		op := []uint8{isa.OpAdd, isa.OpAdd, isa.OpSub}[p.IntN(3)]
		p.add(isa.Instruction{Op: class | op, Dst: []uint8{ins.Dst, ins.Src}[p.IntN(2)], Imm: p.imm()})
	}
}

func (p *program) compare() {
	class := uint8(isa.ClassJMP)
	if p.IntN(3) == 0 {
		class = isa.ClassJMP32
	}
	p.jumps = append(p.jumps, len(p.insns))
	p.add(p.operand(isa.Instruction{Op: class | jumpOps[p.IntN(len(jumpOps))], Dst: p.reg()}))
}

// TestKernelKnowsTheSame compares, along every path that Linux follows through
// random programs, what it knows of each number with what we know, and the
// verdicts: there must be no difference at all.
func TestKernelKnowsTheSame(t *testing.T) {
	fd, era := kernelMap(t)
	rng := newRand(t)
	buf := make([]byte, 16<<20)
	var seen, paths, accepted int
	for n := range *programs {
		insns := randomProgram(rng, era, fd)
		log, err := kernelVerify(insns, buf)
		if err != nil && !errors.Is(err, unix.EACCES) && !errors.Is(err, unix.EINVAL) {
			t.Fatalf("program %d: %v\n%s", n, err, log)
		}
		w := walker{era: era, insns: insns, report: func(d difference) { t.Errorf("program %d: %v", n, d) }}
		if err := w.walk(log); err != nil {
			t.Fatalf("program %d: %v\n%s", n, err, log)
		}
		if w.refused != (err != nil) {
			t.Fatalf("program %d: Linux says %v; ours refuses: %v\n%s", n, err, w.refused, log)
		}
		if t.Failed() {
			t.Fatalf("the log:\n%s", log)
		}
		if err == nil {
			accepted++
		}
		seen += w.seen
		paths += w.paths
	}
	t.Logf("%d programs, %d accepted, %d branches followed, %d registers compared", *programs, accepted, paths, seen)
	if seen < 20**programs || accepted < *programs/20 || accepted > *programs*19/20 {
		t.Error("too few are compared, or verdicts are nearly all the same")
	}
}

// TestKernelKnowsTheRows holds rows against the kernel: the walk compares each
// step, so its end is what the kernel knows too.
func TestKernelKnowsTheRows(t *testing.T) {
	fd, era := kernelMap(t)
	rows := rows
	if era != Newest {
		rows = oldRows
	}
	buf := make([]byte, 1<<20)
	for _, row := range rows {
		insns := rowProgram(t, row.program, fd)
		log, err := kernelVerify(insns, buf)
		if err != nil {
			t.Errorf("%s: %v\n%s", row.name, err, log)
		}
		w := walker{era: era, insns: insns, report: func(d difference) { t.Errorf("%s: %v", row.name, d) }}
		if err := w.walk(log); err != nil {
			t.Errorf("%s: %v\n%s", row.name, err, log)
		}
	}
}

func kernelMap(t *testing.T) (fd int, era Era) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root to load programs into the kernel")
	}
	if err := rlimit.RemoveMemlock(); err != nil {
		t.Skipf("memlock limit: %v", err)
	}
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		t.Fatal(err)
	}
	release := unix.ByteSliceToString(u.Release[:])
	switch {
	case strings.HasPrefix(release, "6.18."):
		era = Newest
	case strings.HasPrefix(release, "6.1."):
		era = 6<<8 | 1
	default:
		t.Skipf("needs Linux 6.18 or 6.1, whose verifiers these are; this is %s", release)
	}
	m, err := ebpf.NewMap(&ebpf.MapSpec{Type: ebpf.Array, KeySize: 4, ValueSize: valueSize, MaxEntries: 1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close() })
	return m.FD(), era
}

// kernelVerify loads a program and returns the verifier's log of every
// instruction.
func kernelVerify(insns []isa.Instruction, buf []byte) (log string, err error) {
	code, err := isa.Encode(insns, binary.NativeEndian)
	if err != nil {
		return "", err
	}
	license := []byte("GPL\x00")
	attr := struct { // the beginning of union bpf_attr for BPF_PROG_LOAD
		progType, insnCount uint32
		insns, license      uint64
		logLevel, logSize   uint32
		logBuf              uint64
		kernVersion, flags  uint32
	}{
		progType:  3, // BPF_PROG_TYPE_SCHED_CLS
		insnCount: uint32(len(insns)),
		insns:     uint64(uintptr(unsafe.Pointer(&code[0]))),
		license:   uint64(uintptr(unsafe.Pointer(&license[0]))),
		logLevel:  2, logSize: uint32(len(buf)), logBuf: uint64(uintptr(unsafe.Pointer(&buf[0]))),
	}
	errno := unix.EAGAIN
	for try := 0; errno == unix.EAGAIN && try < 50; try++ {
		// A signal, such as Go's for preemption, interrupts the verifier.
		var fd uintptr
		fd, _, errno = unix.Syscall(unix.SYS_BPF, 5, uintptr(unsafe.Pointer(&attr)), unsafe.Sizeof(attr))
		if errno == 0 {
			unix.Close(int(fd))
		}
	}
	runtime.KeepAlive(code)
	runtime.KeepAlive(license)
	end := max(bytes.IndexByte(buf, 0), 0)
	log = string(buf[:end])
	if errno != 0 {
		return log, errno
	}
	return log, nil
}
