package kernel

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/skepdev/skep/engine"
)

// verifierLogs are logs as these kernels write them.
var verifierLogs = map[string]struct {
	log  string
	want rejection
}{
	"6.1 packet": {
		`0: R1=ctx(off=0,imm=0) R10=fp0
; unsigned char *p = (void *)(long)ctx->data;
0: (61) r1 = *(u32 *)(r1 +0)          ; R1_w=pkt(off=0,r=0,imm=0)
; return p[3]; // never compared with data_end
1: (71) r0 = *(u8 *)(r1 +3)
invalid access to packet, off=3 size=1, R1(id=0,off=3,r=0)
R1 offset is outside of the packet
processed 2 insns (limit 1000000) max_states_per_insn 0 total_states 0 peak_states 0 mark_read 0`,
		rejection{
			reason:      "invalid access to packet, off=3 size=1, R1(id=0,off=3,r=0): R1 offset is outside of the packet",
			instruction: 1, assembly: "r0 = *(u8 *)(r1 +3)",
			source: engine.SourceLine{Text: "return p[3]; // never compared with data_end"},
		},
	},
	"6.12 packet": {
		`0: R1=ctx() R10=fp0
; unsigned char *p = (void *)(long)ctx->data; @ variables.bpf.c:73
0: (61) r1 = *(u32 *)(r1 +0)          ; R1_w=pkt(r=0)
; return p[3]; // never compared with data_end @ variables.bpf.c:75
1: (71) r0 = *(u8 *)(r1 +3)
invalid access to packet, off=3 size=1, R1(id=0,off=3,r=0)
R1 offset is outside of the packet
processed 2 insns (limit 1000000) max_states_per_insn 0 total_states 0 peak_states 0 mark_read 0`,
		rejection{
			reason:      "invalid access to packet, off=3 size=1, R1(id=0,off=3,r=0): R1 offset is outside of the packet",
			instruction: 1, assembly: "r0 = *(u8 *)(r1 +3)",
			source: engine.SourceLine{File: "variables.bpf.c", Line: 75, Text: "return p[3]; // never compared with data_end"},
		},
	},
	"6.18 no text": {
		`0: R1=ctx() R10=fp0
;  @ variables.bpf.c:73
0: (61) r1 = *(u32 *)(r1 +0)          ; R1=pkt(r=0)
;  @ variables.bpf.c:75
1: (71) r0 = *(u8 *)(r1 +3)
invalid access to packet, off=3 size=1, R1(id=0,off=3,r=0)
R1 offset is outside of the packet
processed 2 insns (limit 1000000) max_states_per_insn 0 total_states 0 peak_states 0 mark_read 0`,
		rejection{
			reason:      "invalid access to packet, off=3 size=1, R1(id=0,off=3,r=0): R1 offset is outside of the packet",
			instruction: 1, assembly: "r0 = *(u8 *)(r1 +3)",
			source: engine.SourceLine{File: "variables.bpf.c", Line: 75},
		},
	},
	"jump with state": {
		`0: R1=ctx() R10=fp0
0: (61) r6 = *(u32 *)(r1 +0)          ; R1=ctx() R6_w=scalar(smin=0,smax=umax=0xffffffff,var_off=(0x0; 0xffffffff))
1: (15) if r6 == 0x5 goto pc+2 4: R1=ctx() R6_w=5 R10=fp0
4: (7b) *(u64 *)(r10 -8) = r6         ; R6_w=5 R10=fp0 fp-8_w=5
from 1 to 2: R1=ctx() R6=scalar() R10=fp0
2: (15) if r9 == 0x5 goto pc+2 4: R1=ctx() R6_w=5 R10=fp0
R9 !read_ok
processed 4 insns (limit 1000000) max_states_per_insn 0 total_states 0 peak_states 0 mark_read 0`,
		rejection{reason: "R9 !read_ok", instruction: 2, assembly: "if r9 == 0x5 goto pc+2"},
	},
	"5.15 state line": {
		`; data->buf[(data->off) & (MAX - 1)] = index;
970: (73) *(u8 *)(r2 +0) = r1
 R0=inv0 R1_w=inv1 R2_w=map_value(id=0,off=0,ks=4,vs=32768,umax_value=4294967295,var_off=(0x0; 0xffffffff)) R10=fp0 fp-8=mmmmmmmm
R2 unbounded memory access, make sure to bounds check any such access
processed 743 insns (limit 1000000) max_states_per_insn 0 total_states 45 peak_states 45 mark_read 44`,
		rejection{
			reason: "R2 unbounded memory access, make sure to bounds check any such access", instruction: 970, assembly: "*(u8 *)(r2 +0) = r1",
			source: engine.SourceLine{Text: "data->buf[(data->off) & (MAX - 1)] = index;"},
		},
	},
	"precision tracking": {
		`50: (1d) if r7 == r1 goto pc+23
52: (0f) r3 += r1
last_idx 52 first_idx 41
regs=2 stack=0 before 51: (bf) r3 = r8
regs=2 stack=0 before 47: (b7) r1 = 54
53: (71) r3 = *(u8 *)(r3 +0)
invalid access to packet, off=54 size=1, R3(id=0,off=54,r=54)
R3 offset is outside of the packet`,
		rejection{
			reason:      "invalid access to packet, off=54 size=1, R3(id=0,off=54,r=54): R3 offset is outside of the packet",
			instruction: 53, assembly: "r3 = *(u8 *)(r3 +0)",
		},
	},
	"precision after": {
		`7: (85) call bpf_probe_read_kernel#113
mark_precise: frame0: last_idx 7 first_idx 0 subseq_idx -1
mark_precise: frame0: regs=r2 stack= before 6: (b7) r2 = 0
R2 invalid zero-sized read
processed 8 insns (limit 1000000) max_states_per_insn 0 total_states 0 peak_states 0 mark_read 0`,
		rejection{reason: "R2 invalid zero-sized read", instruction: 7, assembly: "call bpf_probe_read_kernel#113"},
	},
	"loop": {
		`0: R1=ctx() R10=fp0
0: (b7) r0 = 0                        ; R0_w=0
1: (05) goto pc-1
infinite loop detected at insn 1
cur state: R0=0 R1=ctx() R10=fp0
old state: R0=0 R1=ctx() R10=fp0
processed 2 insns (limit 1000000) max_states_per_insn 0 total_states 0 peak_states 0 mark_read 0`,
		rejection{reason: "infinite loop detected at insn 1", instruction: 1, assembly: "goto pc-1"},
	},
	"before simulation": {
		"unreachable insn 2\nprocessed 0 insns (limit 1000000) max_states_per_insn 0 total_states 0 peak_states 0 mark_read 0",
		rejection{reason: "unreachable insn 2", instruction: 2},
	},
	"no place": {
		"last insn is not an exit or jmp\nprocessed 0 insns (limit 1000000)",
		rejection{reason: "last insn is not an exit or jmp", instruction: -1},
	},
	"statistics only": {"processed 0 insns (limit 1000000)", rejection{instruction: -1}},
	"empty":           {"", rejection{instruction: -1}},
}

func TestReadRejection(t *testing.T) {
	for name, c := range verifierLogs {
		got := readRejection(strings.Split(c.log, "\n"))
		if diff := cmp.Diff(c.want, got, cmp.AllowUnexported(rejection{})); diff != "" {
			t.Errorf("%s: (-want +got)\n%s", name, diff)
		}
	}
}

// FuzzReadRejection: whatever a log says, what is read from it stands in it.
func FuzzReadRejection(f *testing.F) {
	for _, c := range verifierLogs {
		f.Add(c.log)
	}
	f.Add("9999999999999999999999: (07) r1 += 1")
	f.Add("; @ a:0\n0: (95) exit\n; x @ y:-1")
	f.Fuzz(func(t *testing.T, log string) {
		r := readRejection(strings.Split(log, "\n"))
		if r.instruction < -1 || r.source.Line < 0 {
			t.Errorf("instruction %d, line %d", r.instruction, r.source.Line)
		}
		for _, part := range []string{r.assembly, r.source.Text, r.source.File} {
			if !strings.Contains(log, part) {
				t.Errorf("%q is not in the log", part)
			}
		}
		if len(r.reason) > maxReasons*(maxLogLine+2) {
			t.Errorf("reason of %d bytes", len(r.reason))
		}
	})
}

// TestUnread: a refusal before the first instruction is no verdict on the
// program.
func TestUnread(t *testing.T) {
	const counts = "processed 0 insns (limit 1000000) max_states_per_insn 0 total_states 0 peak_states 0 mark_read 0"
	for _, c := range []struct {
		log  []string
		want bool
	}{
		{[]string{counts}, true},
		{[]string{"func#0 @0", "", counts}, true},
		{[]string{"unknown opcode 8d", counts}, false},
		{[]string{"0: R1=ctx() R10=fp0", "0: (95) exit", "R0 !read_ok", "processed 1 insns (limit 1000000)"}, false},
	} {
		if got := unread(c.log); got != c.want {
			t.Errorf("unread(%q) = %v", c.log, got)
		}
	}
}
