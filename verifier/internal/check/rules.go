package check

// Rule names what a program broke.
type Rule string

const (
	RuleInternal       Rule = "internal"
	RuleStructure      Rule = "structure"        // malformed or unreachable code
	RuleEncoding       Rule = "encoding"         // an instruction that does not exist here
	RuleUninitialized  Rule = "uninitialized"    // a register read before it is written
	RuleFramePointer   Rule = "frame-pointer"    // r10 written
	RulePointerMath    Rule = "pointer-math"     // arithmetic that pointers do not allow
	RuleUnboundedMath  Rule = "unbounded-offset" // a pointer plus a number without bounds
	RulePointerLeak    Rule = "pointer-leak"
	RuleNullPointer    Rule = "null-pointer"   // a pointer used before it was compared with NULL
	RuleNotPointer     Rule = "not-a-pointer"  // memory access through a number
	RuleMapBounds      Rule = "map-bounds"     // outside of a map's value
	RulePacketBounds   Rule = "packet-bounds"  // outside of what was compared with data_end
	RuleMemBounds      Rule = "memory-bounds"  // outside of memory of a known size
	RuleStackBounds    Rule = "stack-bounds"   // outside of the frame
	RuleStackRead      Rule = "stack-read"     // stack read before it is written
	RuleContext        Rule = "context-access" // a field that this program may not use
	RuleReadOnly       Rule = "read-only"
	RuleAlignment      Rule = "alignment"
	RuleHelper         Rule = "helper"         // a helper that this program may not call
	RuleArgument       Rule = "argument"       // an argument of the wrong kind
	RuleArgumentSize   Rule = "argument-size"  // a size without proper bounds
	RuleMapType        Rule = "map-type"       // a map that does not fit the helper or program
	RuleReference      Rule = "reference-leak" // acquired and not released
	RuleReleased       Rule = "not-owned"      // released and not acquired
	RuleLock           Rule = "lock"
	RuleSleep          Rule = "sleep" // a call that may sleep where that is forbidden
	RuleReturn         Rule = "return-value"
	RuleLoop           Rule = "infinite-loop"
	RuleTooComplex     Rule = "too-complex"
	RuleStackDepth     Rule = "stack-depth"
	RuleCallDepth      Rule = "call-depth"
	RuleSubprogram     Rule = "subprogram" // a call of a function that does not fit
	RuleKfunc          Rule = "kfunc"
	RuleDynptr         Rule = "dynptr"
	RuleIterator       Rule = "iterator"
	RuleSpecialField   Rule = "special-field" // lock, timer, kernel pointer in a map's value
	RuleKernelPointer  Rule = "kernel-pointer"
	RuleAtomic         Rule = "atomic"
	RuleDivision       Rule = "division"
	RuleShift          Rule = "shift"
	RuleAttach         Rule = "attach"
	RuleCallback       Rule = "callback"
	RuleTypes          Rule = "types"   // type information that does not fit
	RuleTooNew         Rule = "too-new" // a type that the judged kernel does not have
	RuleLimit          Rule = "limit"   // this verifier's own limits
	RuleNotSupported   Rule = "not-supported"
	RuleSpeculation    Rule = "speculation"
	RuleException      Rule = "exception"
	RuleLegacyLoad     Rule = "legacy-load"
	RuleConstantString Rule = "constant-string"
)
