package isa_test

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"

	"github.com/skepdev/skep/isa"
)

// tool finds a program or skips the test.
func tool(t *testing.T, names ...string) string {
	t.Helper()
	for _, name := range names {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	t.Skipf("needs %s", strings.Join(names, " or "))
	return ""
}

// foreign are the texts in which LLVM 19 says something else, or less, than the
// kernel: relative calls, atomics that return something, pseudo loads and the
// kernel's dropped immediate of packet loads. Newer instructions are unknown to
// it.
var foreign = regexp.MustCompile(`^call|atomic|acquire|release|\[fd|\[idx|btf\[|subprog|skb\[r|percpu|\.insn`)

// LLVM's disassembler, an independent reader of the same bytes, must agree:
// its text assembles to the instruction that was given.
func TestLLVMReadsTheSame(t *testing.T) {
	mc := tool(t, "llvm-mc-19", "llvm-mc-20", "llvm-mc-21", "llvm-mc")
	var in strings.Builder
	var codes []string
	for _, c := range golden {
		if foreign.MatchString(c.text) {
			continue
		}
		codes = append(codes, c.code)
		for i := 0; i < len(c.code); i += 2 {
			in.WriteString("0x" + c.code[i:i+2] + " ")
		}
		in.WriteString("\n")
	}
	cmd := exec.Command(mc, "--disassemble", "-triple=bpfel", "-mcpu=v4")
	cmd.Stdin = strings.NewReader(in.String())
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil || errs.Len() > 0 {
		t.Fatalf("%s: %v\n%s", mc, err, errs.String())
	}
	lines := slices.DeleteFunc(strings.Split(strings.TrimSpace(string(out)), "\n"), func(l string) bool {
		return strings.TrimSpace(l) == ".text"
	})
	if len(lines) != len(codes) {
		t.Fatalf("%d lines for %d instructions", len(lines), len(codes))
	}
	for i, line := range lines {
		insns, err := isa.Assemble(line)
		if err != nil {
			t.Errorf("%s: %v", strings.TrimSpace(line), err)
			continue
		}
		code, err := isa.Encode(insns, binary.LittleEndian)
		if err != nil || hex.EncodeToString(code) != codes[i] {
			t.Errorf("%s: got %x, %v, want %s", strings.TrimSpace(line), code, err, codes[i])
		}
	}
}

// kernelProgram has every instruction a socket filter may hold without maps.
const kernelProgram = `
	r6 = r1
	r0 = *(u32 *)skb[14]
	r7 = 4
	r0 = *(u16 *)skb[r7 + 8]
	r0 = *(u8 *)skb[0]
	*(u64 *)(r10 -8) = 258
	*(u32 *)(r10 -12) = -1
	r1 = 3
	*(u32 *)(r10 -16) = r1
	lock *(u64 *)(r10 -8) += r1
	lock *(u32 *)(r10 -8) |= r1
	lock *(u64 *)(r10 -8) &= r1
	lock *(u64 *)(r10 -8) ^= r1
	r1 = atomic64_fetch_add((u64 *)(r10 -8), r1)
	r1 = atomic_fetch_xor((u32 *)(r10 -12), r1)
	r1 = atomic64_xchg((u64 *)(r10 -8), r1)
	r0 = atomic_cmpxchg((u32 *)(r10 -12), r0, r1)
	r2 = *(s8 *)(r10 -8)
	r2 = *(s16 *)(r10 -8)
	r2 = *(s32 *)(r10 -8)
	r2 = *(u64 *)(r10 -8)
	r3 = (s8)r2
	r3 = (s32)r2
	w3 = (s16)w2
	r3 += r2
	w3 -= 7
	r3 *= -3
	r3 /= 5
	r3 s/= -5
	w3 %= 9
	w2 |= 1
	w3 s%= w2
	r3 <<= 3
	w3 s>>= 2
	r3 >>= 1
	r3 ^= r2
	r3 = -r3
	w3 = -w3
	r3 = be16 r3
	r3 = le64 r3
	r3 = bswap32 r3
	r4 = 0x123456789abcdef
	if r3 > 0xfffffff0 goto next
	if w3 s<= w2 goto next
	if r3 & 0x10 goto next
	if r3 != r2 goto next
	gotol next
next:
	call bpf_ktime_get_ns#5
	r1 = r6
	call sub
	goto out
out:
	r0 = 0
	exit
sub:
	r0 = 1
	exit`

// opcodes of a bpftool dump stand on their own line after the text.
var (
	dumpLine   = regexp.MustCompile(`^\s*(\d+): \([0-9a-f]{2}\) (.*)$`)
	opcodeLine = regexp.MustCompile(`^\s+((?:[0-9a-f]{2} )+[0-9a-f]{2})\s*$`)
)

// oldBpftool knows none of the instructions of -mcpu=v4 (before 7.3, Linux 6.6)
// and prints each as an older one.
var oldBpftool = regexp.MustCompile(`bpftool v([0-6]\.|7\.[0-2]\.)`)

func isCPUv4(ins isa.Instruction) bool {
	switch ins.Class() {
	case isa.ClassALU, isa.ClassALU64:
		return ins.Off != 0 || ins.Op == isa.Bswap
	case isa.ClassLDX:
		return ins.Mode() == isa.ModeMEMSX
	}
	return ins.Op == isa.JA32
}

// bpftool prints what the kernel made of a program; our text of the same bytes
// must be its text.
func TestBpftoolPrintsTheSame(t *testing.T) {
	bpftool := tool(t, "bpftool")
	if os.Geteuid() != 0 {
		t.Skip("needs root to load a program")
	}
	insns, err := isa.Assemble(kernelProgram)
	if err != nil {
		t.Fatal(err)
	}
	if err := isa.ValidateCode(insns); err != nil {
		t.Fatal(err)
	}
	id := loadIntoKernel(t, insns)
	out, err := exec.Command(bpftool, "prog", "dump", "xlated", "id", strconv.Itoa(id), "opcodes").CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	version, err := exec.Command(bpftool, "version").Output()
	if err != nil {
		t.Fatal(err)
	}
	old := oldBpftool.Match(version)
	compared, text := 0, ""
	for line := range strings.Lines(string(out)) {
		if m := dumpLine.FindStringSubmatch(strings.TrimRight(line, "\n")); m != nil {
			text = m[2]
			continue
		}
		m := opcodeLine.FindStringSubmatch(strings.TrimRight(line, "\n"))
		// Calls are printed with the addresses and names of this kernel.
		if m == nil || text == "" || strings.HasPrefix(text, "call") {
			continue
		}
		code, err := hex.DecodeString(strings.ReplaceAll(m[1], " ", ""))
		if err != nil {
			t.Fatal(err)
		}
		slots, err := isa.Decode(code, binary.NativeEndian)
		if err != nil {
			t.Fatal(err)
		}
		// The verifier's patches use a register of its own, the twelfth.
		if old && isCPUv4(slots[0]) || slots[0].Dst >= isa.Registers || slots[0].Src >= isa.Registers {
			continue
		}
		if got, _ := isa.Disassemble(slots, 0); got != text {
			t.Errorf("% x: got %q, bpftool prints %q", code, got, text)
		}
		compared++
	}
	if compared < 40 {
		t.Errorf("only %d instructions compared in\n%s", compared, out)
	}
}

// loadIntoKernel loads a socket filter and returns its id.
func loadIntoKernel(t *testing.T, insns []isa.Instruction) int {
	t.Helper()
	code, err := isa.Encode(insns, binary.NativeEndian)
	if err != nil {
		t.Fatal(err)
	}
	// The reader of cilium/ebpf loses the registers with binary.NativeEndian.
	order := binary.ByteOrder(binary.BigEndian)
	if binary.NativeEndian.Uint16([]byte{1, 0}) == 1 {
		order = binary.LittleEndian
	}
	list, err := asm.AppendInstructions(nil, bytes.NewReader(code), order, "linux")
	if err != nil {
		t.Fatal(err)
	}
	prog, err := ebpf.NewProgram(&ebpf.ProgramSpec{Type: ebpf.SocketFilter, License: "GPL", Instructions: list})
	if errors.Is(err, os.ErrPermission) || errors.Is(err, ebpf.ErrNotSupported) {
		t.Skipf("needs the right to load programs: %v", err)
	}
	if err != nil {
		t.Fatalf("%+v", err)
	}
	t.Cleanup(func() { prog.Close() })
	info, err := prog.Info()
	if err != nil {
		t.Fatal(err)
	}
	id, ok := info.ID()
	if !ok {
		t.Skip("needs a kernel that numbers programs (4.13)")
	}
	return int(id)
}
