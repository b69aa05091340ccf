package verifier

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/skepdev/skep/abi"
	"github.com/skepdev/skep/verifier/internal/check"
)

// detail refines what is said of a rule, where the kernel's message tells which
// of the rule's cases it is. Texts take the message's submatches as $1, the type
// of the program as $type, the operand as $name and the called function as $call; an empty one leaves
// what the rule says.
type detail struct {
	rule                   check.Rule
	message                *regexp.Regexp
	summary, cause, advice string
	// explain, if there is one, comes last.
	explain func(s *story, m []string)
}

func message(pattern string) *regexp.Regexp { return regexp.MustCompile(pattern) }

// details by rule; the first that matches counts.
var details = []detail{
	{
		rule: check.RuleStructure, message: message(`^unreachable insn (\d+)`),
		summary: "No path leads to this code.",
		advice:  "remove it, or let the compiler do so (clang -O2)",
	},
	{
		rule: check.RuleStructure, message: message(`^jump out of range from insn (\d+) to (-?\d+)`),
		summary: "A jump leads out of its function.",
		cause:   "instruction $1 jumps to $2",
		advice:  "jump inside of one function; offsets count slots of 8 bytes, and a 64-bit load has two",
	},
	{
		rule: check.RuleStructure, message: message(`^last insn is not an exit or jmp`),
		summary: "The function can run past its last instruction.",
		advice:  "return on every path; __builtin_unreachable() and calls declared noreturn leave none",
	},
	{
		rule: check.RuleStructure, message: message(`^same insn cannot be used with different pointers`),
		summary: "One instruction accesses different kinds of memory on different paths, and the kernel can rewrite it for one only.",
		cause:   "the compiler merged accesses of several branches",
		advice:  "access each through a pointer of its own, to volatile, in its own branch",
	},
	{
		rule: check.RuleEncoding, message: message(`^R(\d+) is invalid`),
		summary: "An instruction names register r$1; there are r0 to r10.",
		advice:  "compile the object again; assembly by hand has r0 to r10 only",
	},
	{
		rule: check.RulePointerMath, message: message(`modified ctx|variable ctx`),
		summary: "The context is accessed at an offset that was calculated; fields have fixed places only.",
		advice: "read each field by its name; where the compiler merges accesses of several branches into one, " +
			"read through a pointer to volatile before the branches",
	},
	{rule: check.RulePointerMath, message: message(`pointer be out of bounds`), explain: explainFarAway},
	{
		rule: check.RulePointerMath, message: message(`32-bit pointer arithmetic`),
		advice: "do the arithmetic in 64 bits: use long or __u64 for offsets, or copy the pointer before casting it",
	},
	{
		rule: check.RulePointerMath, message: message(`pointer arithmetic on \S*or_null`),
		summary: "Something is added to $name before it is known not to be NULL.",
		advice:  "test it first: if (!ptr) return 0;",
	},
	{
		rule: check.RulePointerMath, message: message(`pointer \+= pointer prohibited`),
		summary: "Two pointers are added.",
		advice:  "add a number to one of them; the difference of two pointers into one packet is a number",
	},
	{
		rule: check.RulePointerMath, message: message(`pointer (\S+) pointer prohibited`),
		summary: "Two pointers are combined by the operator $1.",
		advice:  "compare them instead; only users with CAP_PERFMON may subtract one pointer from another",
	},
	{
		rule: check.RulePointerMath, message: message(`tried to subtract pointer from scalar`),
		summary: "A pointer is subtracted from a number.",
		advice:  "subtract the number from the pointer, or one pointer into a packet from another",
	},
	{
		rule: check.RulePointerMath, message: message(`subtraction from stack pointer prohibited`),
		summary: "A number is subtracted from a pointer into the stack.",
		advice:  "index from the array's start instead: &buf[i]",
	},
	{
		rule: check.RulePointerMath, message: message(`bitwise operator (\S+) on pointer prohibited`),
		summary: "A pointer is changed by the bitwise operator $1.",
		advice:  "mask and align the offset before it is added, not the pointer",
	},
	{
		rule: check.RulePointerMath, message: message(`pointer arithmetic with (\S+) operator prohibited`),
		summary: "A pointer is changed by the operator $1.",
		advice:  "calculate with the offset before it is added, not with the pointer",
	},
	{
		rule: check.RulePointerMath, message: message(`pointer arithmetic on (pkt_end) prohibited`),
		summary: "Something is added to data_end, which serves for comparisons only.",
		advice:  "calculate from data: compare data + n with data_end",
	},
	{
		rule: check.RulePointerMath, message: message(`pointer arithmetic on (\S+) prohibited`),
		summary: "Nothing can be added to a pointer of this kind ($1).",
		advice:  "use the pointer as it is, and test it for NULL before anything is added to it",
	},
	{
		rule: check.RulePointerMath, message: message(`math between (\S+) pointer and (-?\d+) is not allowed|(\S+) pointer offset (-?\d+) is not allowed`),
		summary: "The number added to the pointer is too large: no pointer is followed beyond 2^29 (536870912) bytes.",
		advice:  "check what the offset is calculated from; an unsigned number below 0 becomes very large",
	},
	{
		rule: check.RulePointerMath, message: message(`negative offset (\S+) ptr R\d+ off=(-\d+) disallowed`),
		summary: "The pointer lies before the start of what it points to.",
		cause:   "it was moved by $2 bytes",
		advice:  "pass the pointer that the program got, without subtracting from it",
	},
	{
		rule: check.RulePointerMath, message: message(`must have zero offset when passed to release func`),
		summary: "A pointer into the middle of an object is passed where the object itself is wanted.",
		advice:  "pass the pointer that was acquired, as it was",
	},
	{rule: check.RuleMapType, message: message(`^cannot pass map_type (\d+) into func (\S+)#`), explain: explainMapType},
	{
		rule: check.RuleMapType, message: message(`^(tracing|socket filter) progs cannot use (\S+) yet`),
		summary: "Programs of type $type cannot use maps whose values hold a $2.",
		advice:  "use atomic operations or a per-CPU map there, or do it in a program of another type (tc, xdp, syscall)",
	},
	{
		rule: check.RuleArgument, message: message(`doesn't support non-zero flags`),
		summary: "The flags of $call must be 0.",
	},
	{
		rule: check.RuleArgument, message: message(`expected pointer to STRUCT (\S+) but R\d+ has a pointer to STRUCT (\S+)`),
		summary: "$call takes a pointer to struct $1 and is given one to struct $2.",
		advice:  "pass the member or the object that the function is about; a cast does not change what the kernel knows",
	},
	{
		rule: check.RuleArgument, message: message(`pointer type STRUCT (\S+) must point to`),
		summary: "$call takes memory that holds numbers only, and struct $1 has pointers or is the kernel's own.",
	},
	{
		rule: check.RuleArgument, message: message(`type=(\S+) expected=(.+)`),
		explain: func(s *story, m []string) {
			if s.Cause == "" {
				s.Cause = "wanted is " + kindsText(m[2])
			}
		},
	},
	{
		rule: check.RuleKernelPointer, message: message(`must be referenced or trusted`),
		summary: "$call takes a pointer to an object that cannot go away meanwhile, and nothing keeps this one.",
		advice:  "pass an argument of the program itself, or acquire a reference first (bpf_task_acquire and its like); what is read from a structure of the kernel is not trusted",
	},
	{
		rule: check.RuleKernelPointer, message: message(`must be a rcu pointer`),
		summary: "$call takes a pointer under RCU or one to an object that cannot go away meanwhile.",
		advice:  "read it and call the function between bpf_rcu_read_lock() and bpf_rcu_read_unlock()",
	},
	{
		rule: check.RuleKernelPointer, message: message(`R\d+ is (\S+) invalid negative access: off=(-\d+)`),
		summary: "The access lies before the start of the kernel's struct $1.",
		cause:   "its offset is $2",
		advice:  "access members by their names",
	},
	{
		rule: check.RuleKernelPointer, message: message(`access beyond struct (\S+) at off (\d+) size (\d+)`),
		summary: "The access goes beyond the end of the kernel's struct $1.",
		cause:   "$3 bytes are accessed at offset $2",
		advice:  "access members by their names, with CO-RE (clang -g, vmlinux.h), so that offsets are those of the kernel that runs",
	},
	{
		rule: check.RuleReadOnly, message: message(`write into packet`),
		summary: "Programs of type $type may not write to the packet.",
		advice:  "write packets in xdp or tc programs; here, only read them",
	},
	{
		rule: check.RuleReadOnly, message: message(`write into map`),
		summary: "The map was made so that programs may not write to it (const data, BPF_F_RDONLY_PROG).",
		advice:  "leave out const, or put what changes into another map",
	},
	{
		rule: check.RuleReadOnly, message: message(`^read from map forbidden`),
		summary: "The map was made so that programs may not read it (BPF_F_WRONLY_PROG).",
		advice:  "leave out the flag, or read in user space",
	},
	{
		rule: check.RuleReadOnly, message: message(`^only read (from (\S+) )?is supported`),
		summary: "A structure of the kernel is written; programs may only read it.",
		advice:  "look for the helper or kernel function that makes the change",
	},
	{rule: check.RuleAlignment, message: message(`off (?:\d+\+)?(\d+|\(.*\))\+(-?\d+)\+(-?\d+) size (\d+)`), explain: explainAlignment},
	{rule: check.RuleStackBounds, message: message(`stack R\d+ off=(-?\d+) size=(\d+)`), explain: explainFrame},
	{
		rule: check.RuleKfunc, message: message(`^calling kernel function (\S+) is not allowed`),
		summary: "Programs of type $type may not call the kernel function $1.",
		advice:  "call it from a type of program that the kernel registers it for, or use a helper instead",
	},
	{
		rule: check.RuleKfunc, message: message(`from non-GPL compatible program`),
		summary: "Kernel functions may be called by programs under a GPL-compatible license only.",
		advice:  `char LICENSE[] SEC("license") = "GPL"; (or "Dual BSD/GPL")`,
	},
	{
		rule: check.RuleSubprogram, message: message(`LD_ABS is only allowed in functions that return 'int'`),
		summary: "A legacy packet load ends its function if the packet is too short, and this function returns nothing that could say so.",
		advice:  "let the function return int, or use bpf_skb_load_bytes",
	},
	{
		rule: check.RuleAttach, message: message(`points to disabled hook (\S+)`),
		summary: "The kernel lets no program attach to $1.",
		advice:  "attach to a related hook",
	},
	{
		rule: check.RuleIterator, message: message(`expected an initialized (\S+) as arg`),
		summary: "$call needs an iterator that was begun, and this one was not, or is destroyed.",
		cause:   "no bpf_${1}_new on this path began it, or a bpf_${1}_destroy ended it",
	},
	{
		rule: check.RuleIterator, message: message(`expected uninitialized (\S+) as arg`),
		summary: "An iterator is begun that is in use already.",
		advice:  "destroy it first (bpf_${1}_destroy), or use a second variable",
	},
	{
		rule: check.RuleIterator, message: message(`expected an RCU CS when using (\S+)`),
		summary: "$1 is to be called inside an RCU read section.",
		advice:  "put bpf_rcu_read_lock() before the loop and bpf_rcu_read_unlock() behind it",
	},
	{
		rule: check.RuleDynptr, message: message(`xpected an initialized dynptr`),
		summary: "$call needs a dynptr that was made before, and this one was not, or is no longer valid.",
	},
	{
		rule: check.RuleDynptr, message: message(`has to be an uninitialized dynptr`),
		summary: "A dynptr is made in a variable that holds one already.",
		advice:  "give the first one back, or use a second variable",
	},
	{
		rule: check.RuleDynptr, message: message(`cannot overwrite referenced dynptr`),
		summary: "A dynptr that must be given back is overwritten on the stack.",
		advice:  "submit or discard it first",
	},
	{
		rule: check.RuleMemBounds, message: message(`mem_size=(\d+) off=(-?\d+) size=(\d+)`),
		cause: "$3 bytes are accessed at offset $2 of $1",
	},
	{
		rule: check.RuleMemBounds, message: message(`invalid variable (\S+ )?buffer offset`),
		cause:  "the offset is calculated, and this memory is accessed at constant offsets only",
		advice: "access it at constant offsets, in a loop that is unrolled if need be",
	},
	{
		rule: check.RuleAtomic, message: message(`BPF_ATOMIC`),
		cause: "only memory of the program's own can be changed atomically",
	},
	{
		rule: check.RuleNullPointer, message: message(`^Possibly NULL pointer passed to`),
		summary: "A pointer that may be NULL is passed to $call, which takes none.",
	},
	{
		rule: check.RuleReturn, message: message(`is not a known value \((\S+)\)`),
		summary: "A pointer ($1) is returned where a number is wanted.",
		advice:  "return one of the allowed constants",
	},
}

// refine says what the rule's details have to say of this case.
func (s *story) refine() {
	for _, d := range details {
		if string(d.rule) != s.Rule {
			continue
		}
		at := d.message.FindStringSubmatchIndex(s.Kernel)
		if at == nil {
			continue
		}
		fill := func(into *string, text string) {
			if text != "" {
				text = strings.NewReplacer("$type", s.r.typ.String(), "$name", s.name(), "$call", callName(s, s.instruction())).Replace(text)
				*into = string(d.message.ExpandString(nil, text, s.Kernel, at))
			}
		}
		fill(&s.Summary, d.summary)
		fill(&s.Cause, d.cause)
		fill(&s.Advice, d.advice)
		if d.explain != nil {
			d.explain(s, d.message.FindStringSubmatch(s.Kernel))
		}
		return
	}
}

// explainFarAway is about a sum that may lie beyond what a pointer's offset holds.
func explainFarAway(s *story, _ []string) {
	s.Summary = "A number is added to a pointer that may take it far outside of what it points to."
	s.Cause = fmt.Sprintf("%s may be negative or very large", or(s.index(), "the number"))
	s.Advice = "bound it on both sides first: if (i < 0 || i >= N) return 0; or make it unsigned"
	s.lostBound()
}

func explainMapType(s *story, m []string) {
	n, _ := strconv.ParseUint(m[1], 10, 32) // digits, by the pattern
	s.Summary = fmt.Sprintf("Programs of type %s cannot call %s on a map of type %s.", s.r.typ, m[2], abi.MapType(n))
}

// explainAlignment tells the offset; m has the variable part, the pointer's
// offset, the instruction's and the size.
func explainAlignment(s *story, m []string) {
	if strings.HasPrefix(m[1], "(") {
		s.Cause = fmt.Sprintf("the number added to the pointer need not be a multiple of %s", m[4])
		return
	}
	sum := 0
	for _, part := range m[1:4] {
		n, _ := strconv.Atoi(part)
		sum += n
	}
	s.Cause = fmt.Sprintf("%s bytes are accessed at offset %d, which is no multiple of %s", m[4], sum, m[4])
}

// explainFrame tells where an access at a known offset leaves the frame, whose
// bytes are at -512 to -1.
func explainFrame(s *story, m []string) {
	const frame = 512
	off, _ := strconv.Atoi(m[1])
	size, _ := strconv.Atoi(m[2])
	switch {
	case off >= 0:
		s.Cause = fmt.Sprintf("offset %d lies above the frame, which ends at 0", off)
	case off < -frame:
		s.Cause = fmt.Sprintf("offset %d lies below the frame, which begins at -%d", off, frame)
	case off+size > 0:
		s.Cause = fmt.Sprintf("%d bytes from offset %d on end %s beyond the frame", size, off, plural(int64(off+size), "byte", "bytes"))
		s.Advice = "pass the size of the variable: sizeof(buf)"
	default:
		s.Cause = fmt.Sprintf("%d bytes cannot be accessed from offset %d on", size, off)
	}
}

// memoryKinds are what the kernel lists for an argument that may be any memory.
const memoryKinds = "fp, pkt, pkt_meta, map_key, map_value, mem"

// kindsText says in words what the kernel's list of register types asks for.
func kindsText(list string) string {
	if strings.HasPrefix(list, memoryKinds) {
		return "a pointer to memory: the stack, a map's value or key, the packet"
	}
	words := map[string]string{
		"ctx": "the context of the program", "fp": "a pointer into the stack", "map_ptr": "a map", "func": "a function",
		"map_value": "a pointer into a map's value", "map_key": "a pointer to a map's key", "ringbuf_mem": "a record that bpf_ringbuf_reserve returned",
		"ptr_": "a pointer to a structure of the kernel", "trusted_ptr_": "a pointer to a structure of the kernel",
		"rcu_ptr_": "a pointer to a structure of the kernel", "percpu_ptr_": "a pointer to a per-CPU variable of the kernel",
		"sock": "a socket", "sock_common": "a socket", "tcp_sock": "a socket", "xdp_sock": "a socket",
	}
	var all []string
	for kind := range strings.SplitSeq(list, ", ") {
		word := words[kind]
		if word == "" {
			word = kind
		}
		if len(all) == 0 || all[len(all)-1] != word {
			all = append(all, word)
		}
	}
	return strings.Join(all, ", or ")
}
