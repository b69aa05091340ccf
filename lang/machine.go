package lang

import "runtime"

// processor is how a processor's registers lie in struct pt_regs, in bytes.
type processor struct {
	name                string
	args                []int
	ret, ip, sp, fp, cs int
	// syscall is where the number of a system call stands.
	syscall int
	regs    map[string]int
}

// machine is the processor that scripts run on.
var machine = machines[runtime.GOARCH]

// Layouts: arch/x86/include/asm/ptrace.h and arch/arm64/include/uapi/asm/ptrace.h.
var machines = map[string]*processor{
	"amd64": {
		name: "x86_64", args: []int{112, 104, 96, 88, 72, 64}, ret: 80, ip: 128, sp: 152, fp: 32, cs: 136, syscall: 120,
		regs: map[string]int{
			"r15": 0, "r14": 8, "r13": 16, "r12": 24, "bp": 32, "bx": 40, "r11": 48, "r10": 56, "r9": 64, "r8": 72,
			"ax": 80, "cx": 88, "dx": 96, "si": 104, "di": 112, "orig_ax": 120, "ip": 128, "pc": 128, "cs": 136, "flags": 144, "sp": 152, "ss": 160,
		},
	},
	"arm64": {
		name: "aarch64", args: []int{0, 8, 16, 24, 32, 40, 48, 56}, ret: 0, ip: 256, sp: 248, fp: 232, cs: 264, syscall: 280,
		regs: arm64Regs(),
	},
}

func arm64Regs() map[string]int {
	m := map[string]int{"sp": 248, "pc": 256, "pstate": 264, "lr": 240}
	for i := range 31 {
		m["r"+string(rune('0'+i/10))+string(rune('0'+i%10))] = 8 * i
		m["x"+itoa(i)] = 8 * i
		m["r"+itoa(i)] = 8 * i
	}
	return m
}

func itoa(i int) string {
	if i < 10 {
		return string(rune('0' + i))
	}
	return string(rune('0'+i/10)) + string(rune('0'+i%10))
}
