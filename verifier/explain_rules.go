package verifier

import "github.com/skepdev/skep/verifier/internal/check"

// story is an explanation while it is put together.
type story struct {
	*Explanation
	r     *Rejection
	trace *trace
}

// rule says what a rule is about: in a sentence, with advice that fits most
// cases, and with a function for what depends on the case.
type rule struct {
	summary, advice string
	explain         func(*story)
}

const (
	mapTypeSummary = "The map does not fit what is done with it."
	mapTypeAdvice  = "see which helpers the map type has; a ring buffer has bpf_ringbuf_*, a queue bpf_map_push_elem and _pop_elem"
)

// rules by name (verifier/internal/check/rules.go).
var rules = map[string]rule{
	string(check.RuleStructure): {
		summary: "The code is not a sound program: some of it cannot be reached, or control leaves it.",
		advice:  "remove code behind an endless loop or an unconditional return; end every function with a return",
	},
	string(check.RuleEncoding): {
		summary: "An instruction does not exist in this kernel.",
		advice:  "compile for an older instruction set (clang -mcpu=v3), or judge for a newer kernel",
	},
	string(check.RuleUninitialized): {explain: explainUninitialized},
	string(check.RuleFramePointer): {
		summary: "The frame pointer r10 cannot be changed.",
		advice:  "copy r10 to another register and do arithmetic there",
	},
	string(check.RulePointerMath): {
		summary: "This arithmetic is not allowed on a pointer.",
		advice:  "add or subtract a number in 64 bits; keep what you calculate with in an integer and add it to the pointer once",
	},
	string(check.RuleUnboundedMath): {explain: explainUnbounded},
	string(check.RulePointerLeak): {
		summary: "An address of the kernel would become visible to the program's user.",
		advice:  "store what the pointer points to, not the pointer; or load the program with CAP_PERFMON",
	},
	string(check.RuleNullPointer):  {explain: explainNull},
	string(check.RuleNotPointer):   {explain: explainNotPointer},
	string(check.RuleMapBounds):    {explain: explainMapBounds},
	string(check.RulePacketBounds): {explain: explainPacket},
	string(check.RuleMemBounds): {
		summary: "The access goes beyond the memory that the pointer points into.",
		advice:  "compare the offset with the size before the access",
		explain: explainMemory,
	},
	string(check.RuleStackBounds): {explain: explainStackBounds},
	string(check.RuleStackRead):   {explain: explainStackRead},
	string(check.RuleContext):     {explain: explainContext},
	string(check.RuleReadOnly): {
		summary: "Memory that may only be read is written.",
		advice:  "copy it to the stack or a map value and change the copy",
	},
	string(check.RuleAlignment): {
		summary: "The access is not aligned to its size.",
		advice:  "access smaller parts, or copy the bytes with __builtin_memcpy",
	},
	string(check.RuleHelper):       {explain: explainHelper},
	string(check.RuleArgument):     {explain: explainArgument},
	string(check.RuleArgumentSize): {explain: explainSize},
	string(check.RuleMapType):      {summary: mapTypeSummary, advice: mapTypeAdvice},
	string(check.RuleReference):    {explain: explainReference},
	string(check.RuleReleased): {
		summary: "What is given back here was not acquired, or was given back before.",
		advice:  "release each reference once, and only what an acquiring function returned",
	},
	string(check.RuleLock): {explain: explainLock},
	string(check.RuleSleep): {
		summary: "The call may sleep, and here nothing may.",
		advice:  "make the program sleepable (SEC(\"….s\")), or call it outside of the lock or read section",
	},
	string(check.RuleReturn): {explain: explainReturn},
	string(check.RuleLoop): {
		summary: "The loop comes back to where it was with nothing changed: it would never end.",
		advice:  "change a variable that the condition reads in each round; or bound the loop with bpf_for, bpf_loop or may_goto",
		explain: explainLoop,
	},
	string(check.RuleTooComplex): {
		summary: "The program has more paths than the verifier follows.",
		advice:  "split it with tail calls or global functions, use bpf_loop instead of unrolled or long loops, bound what is compared early",
		explain: explainTooComplex,
	},
	string(check.RuleStackDepth): {
		summary: "The frames of functions that call each other need more than 512 bytes together.",
		advice:  "move large variables into a per-CPU array map, or inline small functions (__always_inline)",
		explain: explainStackDepth,
	},
	string(check.RuleCallDepth): {
		summary: "Functions call each other more than 8 deep, or without end.",
		advice:  "inline some of them (__always_inline), and replace recursion by a loop",
	},
	string(check.RuleSubprogram): {
		summary: "The call does not fit the function's prototype.",
		advice:  "global functions are checked from their prototype alone: pass numbers, the context, or pointers to memory of the declared size; or make the function static",
	},
	string(check.RuleKfunc): {
		summary: "The kernel function cannot be called like this, or does not exist in this kernel.",
		advice:  "declare it __weak and test bpf_ksym_exists() before the call, or judge with the types of a kernel that has it (--types)",
	},
	string(check.RuleDynptr): {
		summary: "The dynptr is not in the state that the call needs.",
		advice:  "make it with bpf_dynptr_from_* or bpf_ringbuf_reserve_dynptr first, leave its stack slots alone, and release it once",
	},
	string(check.RuleIterator): {
		summary: "The iterator is not in the state that the call needs.",
		advice:  "call _new once, _next until it returns NULL, and _destroy on every path",
	},
	string(check.RuleSpecialField): {
		summary: "The field has a meaning to the kernel (a lock, timer, kernel pointer) and cannot be read or written as data.",
		advice:  "access the fields beside it one by one, and this one with its helpers",
	},
	string(check.RuleKernelPointer): {
		summary: "The access to a structure of the kernel is not allowed.",
		advice:  "read fields with BPF_CORE_READ or bpf_probe_read_kernel",
	},
	string(check.RuleAtomic): {
		summary: "An atomic operation is not possible on this memory.",
		advice:  "use it on the stack, map values or arena memory",
	},
	string(check.RuleDivision): {summary: "The program divides by a constant 0.", advice: "check what the divisor comes from: it is 0 on every path"},
	string(check.RuleShift):    {summary: "The shift is wider than the number.", advice: "shift by less than 64 (or 32) bits"},
	string(check.RuleAttach): {
		summary: "The program cannot be attached where its section says.",
		advice:  "check the name in SEC(); functions can be inlined or renamed between kernels",
	},
	string(check.RuleCallback): {
		summary: "The function cannot serve as a callback here.",
		advice:  "make it static, keep its BTF (clang -g), and give it the prototype that the helper documents",
	},
	string(check.RuleTypes): {
		summary: "Type information is missing or does not fit.",
		advice:  "compile with -g; give the types of the kernel to judge for (--types)",
	},
	string(check.RuleTooNew): {
		summary: "The kernel that is judged for does not have this type of program, attachment or map yet.",
		advice:  "use an older type on such kernels (tc filters for tcx, kprobes one by one for sessions), or ask for a newer kernel",
	},
	string(check.RuleLimit): {
		summary: "A limit that was set for this verification was reached.",
		advice:  "raise the limit, or simplify the program",
	},
	string(check.RuleNotSupported): {
		summary: "The program has something that this verifier does not judge.",
		advice:  "ask the kernel itself (--compare)",
	},
	string(check.RuleSpeculation): {
		summary: "Users without CAP_PERFMON may not do this: a processor could run ahead with a wrong value.",
		advice:  "do the arithmetic with constants, or load the program with CAP_PERFMON",
	},
	string(check.RuleException): {
		summary: "An exception cannot be thrown or caught like this.",
		advice:  "release references and locks before bpf_throw",
	},
	string(check.RuleLegacyLoad): {
		summary: "Legacy packet loads cannot be used here.",
		advice:  "use bpf_skb_load_bytes",
	},
	string(check.RuleConstantString): {
		summary: "The argument must be a string constant.",
		advice:  "pass a string literal, or a static const char array",
	},
	string(check.RuleInternal): {
		summary: "The verifier contradicts itself; the program is refused to be safe.",
		advice:  "report it with the object",
	},
}
