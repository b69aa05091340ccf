package verifier

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/skepdev/skep/abi"
	"github.com/skepdev/skep/object"
	"github.com/skepdev/skep/verifier/internal/check"
)

// TestDetails: a message of each kind gets the words that fit it, each kind is
// reached, and the messages are ones that the check prints.
func TestDetails(t *testing.T) {
	printed := messagesOf(t, "internal/check")
	reached := make([]bool, len(details))
	for _, c := range []struct {
		rule                    check.Rule
		message, summary, cause string
	}{
		{check.RuleStructure, "unreachable insn 3", "No path leads to this code.", ""},
		{check.RuleStructure, "jump out of range from insn 4 to -1", "A jump leads out of its function.", "instruction 4 jumps to -1"},
		{check.RuleStructure, "last insn is not an exit or jmp", "The function can run past its last instruction.", ""},
		{check.RuleStructure, "same insn cannot be used with different pointers", "One instruction accesses different kinds", "the compiler merged"},
		{check.RuleEncoding, "R15 is invalid", "An instruction names register r15;", ""},
		{check.RulePointerMath, "dereference of modified ctx ptr R1 off=8 disallowed", "The context is accessed at an offset that was calculated", ""},
		{check.RulePointerMath, "variable ctx access var_off=(0x0; 0x4) disallowed", "The context is accessed at an offset that was calculated", ""},
		{check.RulePointerMath, "value -2147483648 makes map_value pointer be out of bounds", "A number is added to a pointer that may take it far", "the number may be negative"},
		{check.RulePointerMath, "R1 32-bit pointer arithmetic prohibited", "", ""},
		{check.RulePointerMath, "R1 pointer arithmetic on map_value_or_null prohibited, null-check it first", "Something is added to r1 before it is known not to be NULL.", ""},
		{check.RulePointerMath, "R1 pointer += pointer prohibited", "Two pointers are added.", ""},
		{check.RulePointerMath, "R6 pointer -= pointer prohibited", "Two pointers are combined by the operator -=.", ""},
		{check.RulePointerMath, "R1 tried to subtract pointer from scalar", "A pointer is subtracted from a number.", ""},
		{check.RulePointerMath, "R1 subtraction from stack pointer prohibited", "A number is subtracted from a pointer into the stack.", ""},
		{check.RulePointerMath, "R0 bitwise operator &= on pointer prohibited", "A pointer is changed by the bitwise operator &=.", ""},
		{check.RulePointerMath, "R0 pointer arithmetic with /= operator prohibited", "A pointer is changed by the operator /=.", ""},
		{check.RulePointerMath, "R3 pointer arithmetic on pkt_end prohibited", "Something is added to data_end", ""},
		{check.RulePointerMath, "R3 pointer arithmetic on sock prohibited", "Nothing can be added to a pointer of this kind (sock).", ""},
		{check.RulePointerMath, "math between fp pointer and 2147483647 is not allowed", "The number added to the pointer is too large", ""},
		{check.RulePointerMath, "map_value pointer offset -1073741822 is not allowed", "The number added to the pointer is too large", ""},
		{check.RulePointerMath, "negative offset ctx ptr R1 off=-8 disallowed", "The pointer lies before the start", "it was moved by -8 bytes"},
		{check.RulePointerMath, "R1 must have zero offset when passed to release func or trusted arg to kfunc", "A pointer into the middle of an object", ""},
		{check.RuleMapType, "cannot pass map_type 3 into func bpf_map_lookup_elem#1", "Programs of type xdp cannot call bpf_map_lookup_elem on a map of type prog_array.", ""},
		{check.RuleMapType, "tracing progs cannot use bpf_spin_lock yet", "Programs of type xdp cannot use maps whose values hold a bpf_spin_lock.", ""},
		{check.RuleArgument, "get_local_storage() doesn't support non-zero flags", "The flags of the function must be 0.", ""},
		{check.RuleArgument, "kernel function f args#0 expected pointer to STRUCT path but R1 has a pointer to STRUCT file", "the function takes a pointer to struct path and is given one to struct file.", ""},
		{check.RuleArgument, "arg#0 pointer type STRUCT task_struct must point to scalar, or struct with scalar", "the function takes memory that holds numbers only", ""},
		{check.RuleArgument, "R1 type=scalar expected=fp, pkt, pkt_meta, map_key, map_value, mem, ringbuf_mem, buf", "", "wanted is a pointer to memory: the stack"},
		{check.RuleArgument, "R1 type=scalar expected=ptr_, trusted_ptr_, rcu_ptr_", "", "wanted is a pointer to a structure of the kernel"},
		{check.RuleArgument, "R1 type=fp expected=ctx, sock", "", "wanted is the context of the program, or a socket"},
		{check.RuleKernelPointer, "R1 must be referenced or trusted", "the function takes a pointer to an object that cannot go away", ""},
		{check.RuleKernelPointer, "R1 must be a rcu pointer", "the function takes a pointer under RCU", ""},
		{check.RuleKernelPointer, "R1 is bpf_array invalid negative access: off=-8", "The access lies before the start of the kernel's struct bpf_array.", "its offset is -8"},
		{check.RuleKernelPointer, "access beyond struct task_struct at off 9000 size 8", "The access goes beyond the end of the kernel's struct task_struct.", "8 bytes are accessed at offset 9000"},
		{check.RuleReadOnly, "cannot write into packet", "Programs of type xdp may not write to the packet.", ""},
		{check.RuleReadOnly, "write into map forbidden, value_size=48 off=0 size=8", "The map was made so that programs may not write to it", ""},
		{check.RuleReadOnly, "read from map forbidden, value_size=48 off=0 size=8", "The map was made so that programs may not read it", ""},
		{check.RuleReadOnly, "only read is supported", "A structure of the kernel is written", ""},
		{check.RuleReadOnly, "only read from bpf_array is supported", "A structure of the kernel is written", ""},
		{check.RuleAlignment, "misaligned value access off 0+0+3 size 4", "", "4 bytes are accessed at offset 3, which is no multiple of 4"},
		{check.RuleAlignment, "misaligned stack access off 0+-8+2 size 8", "", "8 bytes are accessed at offset -6,"},
		{check.RuleAlignment, "misaligned packet access off 2+0+15+4 size 4", "", "4 bytes are accessed at offset 19,"},
		{check.RuleAlignment, "misaligned packet access off 0+(0x0; 0xff)+14+0 size 4", "", "need not be a multiple of 4"},
		{check.RuleStackBounds, "invalid write to stack R1 off=-48 size=58", "", "58 bytes from offset -48 on end 10 bytes beyond the frame"},
		{check.RuleStackBounds, "invalid write to stack R1 off=8 size=4", "", "offset 8 lies above the frame"},
		{check.RuleStackBounds, "invalid read from stack R1 off=-520 size=8", "", "offset -520 lies below the frame"},
		{check.RuleKfunc, "calling kernel function bpf_path_d_path is not allowed", "Programs of type xdp may not call the kernel function bpf_path_d_path.", ""},
		{check.RuleKfunc, "cannot call kernel function from non-GPL compatible program", "Kernel functions may be called by programs under", ""},
		{check.RuleSubprogram, "LD_ABS is only allowed in functions that return 'int'.", "A legacy packet load ends its function", ""},
		{check.RuleAttach, "attach_btf_id points to disabled hook bpf_lsm_getprocattr", "The kernel lets no program attach to bpf_lsm_getprocattr.", ""},
		{check.RuleIterator, "expected an initialized iter_bits as arg #0", "the function needs an iterator that was begun", "no bpf_iter_bits_new on"},
		{check.RuleIterator, "expected uninitialized iter_num as arg #0", "An iterator is begun that is in use already.", ""},
		{check.RuleIterator, "expected an RCU CS when using bpf_iter_css_new", "bpf_iter_css_new is to be called inside an RCU read section.", ""},
		{check.RuleDynptr, "Expected an initialized dynptr as arg #1", "the function needs a dynptr that was made before", ""},
		{check.RuleDynptr, "Dynptr has to be an uninitialized dynptr", "A dynptr is made in a variable that holds one already.", ""},
		{check.RuleDynptr, "cannot overwrite referenced dynptr", "A dynptr that must be given back is overwritten", ""},
		{check.RuleMemBounds, "invalid access to memory, mem_size=8 off=51966 size=8", "", "8 bytes are accessed at offset 51966 of 8"},
		{check.RuleMemBounds, "R6 invalid variable buffer offset: off=0, var_off=(0x0; 0xffffffff)", "", "the offset is calculated"},
		{check.RuleAtomic, "BPF_ATOMIC stores into R1 ctx is not allowed", "", "only memory of the program's own"},
		{check.RuleNullPointer, "Possibly NULL pointer passed to trusted arg0", "A pointer that may be NULL is passed to the function, which takes none.", ""},
		{check.RuleReturn, "At program exit the register R0 is not a known value (ctx)", "A pointer (ctx) is returned where a number is wanted.", ""},
	} {
		r := &Rejection{Slot: -1, typ: abi.ProgXDP, code: &object.Code{}, inner: &check.Rejection{Register: 1}}
		s := &story{Explanation: &Explanation{Rule: string(c.rule), Kernel: c.message}, r: r, trace: newTrace(r)}
		s.refine()
		if !strings.HasPrefix(s.Summary, c.summary) || !strings.Contains(s.Cause, c.cause) || s.Summary+s.Cause+s.Advice == "" {
			t.Errorf("%s\n  says %q because %q\n  want %q because %q", c.message, s.Summary, s.Cause, c.summary, c.cause)
		}
		if strings.Contains(s.Summary+s.Cause+s.Advice, "$") {
			t.Errorf("%s: not filled in: %q %q %q", c.message, s.Summary, s.Cause, s.Advice)
		}
		for i, d := range details {
			if d.rule == c.rule && d.message.MatchString(c.message) {
				reached[i] = true
				break
			}
		}
		if !printed.MatchString(c.message) {
			t.Errorf("the check prints nothing like %q", c.message)
		}
	}
	for i, ok := range reached {
		if !ok {
			t.Errorf("no message here reaches %s", details[i].message)
		}
	}
}

// messagesOf matches what a package's rejections print: its string literals
// with anything in place of the verbs.
func messagesOf(t *testing.T, dir string) *regexp.Regexp {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no sources in %s: %v", dir, err)
	}
	literal, verb := regexp.MustCompile(`(?m)"((?:[^"\\\n]|\\.){8,})"`), regexp.MustCompile(`%[+#]?[0-9]*[a-z]`)
	var all []string
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasSuffix(f, "_test.go") {
			continue
		}
		for _, m := range literal.FindAllStringSubmatch(string(b), -1) {
			all = append(all, verb.ReplaceAllString(regexp.QuoteMeta(m[1]), ".*"))
		}
	}
	return regexp.MustCompile("^(?:" + strings.Join(all, "|") + ")$")
}

func TestRangeText(t *testing.T) {
	for text, want := range map[string]string{
		"[1, 1]": "1", "[0, 1]": "0 or 1", "[0, 3]": "from 0 to 3", "[-4095, 0]": "from -4095 to 0", "[odd]": "in [odd]",
	} {
		if got := rangeText(text); got != want {
			t.Errorf("%s: %q, want %q", text, got, want)
		}
	}
}

func TestIsAssembly(t *testing.T) {
	for line, want := range map[string]bool{
		"\tasm volatile (\"\t\\": true, "asm(\"r1 = 0;\");": true, "__asm__ __volatile__(\"\");": true, "asm": true,
		"asmlinkage int x;": false, "assembled = 1;": false, "": false, "int asm_level;": false,
	} {
		if got := isAssembly(line); got != want {
			t.Errorf("%q: %v", line, got)
		}
	}
}
