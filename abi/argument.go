package abi

import "strconv"

// Arg is what a helper expects in one argument register.
type Arg struct {
	Kind  ArgKind
	Flags ArgFlags
	// Size in bytes of the memory behind ArgFixedMem.
	Size uint32
	// Type is the kernel's structure behind ArgBTFPtr and ArgFixedMem, if the
	// helper insists on one.
	Type string
}

// ArgKind is a kind of argument; names follow enum bpf_arg_type.
type ArgKind uint8

const (
	ArgNone                 ArgKind = iota // not looked at
	ArgAnything                            // any initialized value
	ArgConstMapPtr                         // the map itself, from a 64-bit load
	ArgMapKey                              // memory of the map's key size
	ArgMapValue                            // memory of the map's value size
	ArgMem                                 // memory; its size is the next argument
	ArgFixedMem                            // memory of Size bytes
	ArgConstSize                           // size in bytes of the memory before it, at least 1
	ArgConstSizeOrZero                     // likewise, 0 allowed
	ArgConstAllocSizeOrZero                // size of the memory the helper returns; a constant
	ArgCtx                                 // the program's context
	ArgSpinLock                            // struct bpf_spin_lock inside a map value
	ArgTimer                               // struct bpf_timer inside a map value
	ArgKptr                                // field of a map value that holds a kernel pointer
	ArgSockCommon                          // struct bpf_sock of any kind
	ArgSocket                              // struct bpf_sock, full
	ArgBTFPtr                              // pointer to the kernel structure Type
	ArgBTFSockCommon                       // any socket, as struct bpf_sock or by BTF
	ArgPerCPUBTFPtr                        // per-CPU kernel variable
	ArgRingBufMem                          // what bpf_ringbuf_reserve gave
	ArgFunc                                // address of a subprogram
	ArgStack                               // pointer into the stack
	ArgConstStr                            // zero-terminated string in a frozen read-only map
	ArgDynptr                              // struct bpf_dynptr on the stack
)

var argKindNames = [...]string{
	"none", "anything", "map", "key", "value", "mem", "fixed_mem", "size", "size_or_zero",
	"alloc_size_or_zero", "ctx", "spin_lock", "timer", "kptr", "sock_common", "socket", "btf_ptr",
	"btf_sock_common", "percpu_btf_ptr", "ringbuf_mem", "func", "stack", "const_str", "dynptr",
}

// String is a short name ("size_or_zero").
func (k ArgKind) String() string { return nameOf("ArgKind", uint32(k), argKindNames[:]) }

// ArgFlags qualify an argument.
type ArgFlags uint8

const (
	ArgMaybeNull ArgFlags = 1 << iota // NULL is fine
	ArgWritten                        // the helper writes the memory
	ArgUninit                         // the memory need not be initialized
	ArgReleased                       // the reference is gone afterwards
	ArgAligned                        // the memory is aligned to its size
)

// Has reports whether all flags of f are set.
func (a Arg) Has(f ArgFlags) bool { return a.Flags&f == f }

// String is for error messages: "fixed_mem(8)|null".
func (a Arg) String() string {
	s := a.Kind.String()
	switch {
	case a.Size > 0:
		s += "(" + strconv.FormatUint(uint64(a.Size), 10) + ")"
	case a.Type != "":
		s += "(" + a.Type + ")"
	}
	for i, name := range [...]string{"null", "written", "uninit", "released", "aligned"} {
		if a.Flags&(1<<i) != 0 {
			s += "|" + name
		}
	}
	return s
}

// ReturnKind is what a helper leaves in R0; names follow enum bpf_return_type.
type ReturnKind uint8

const (
	RetInteger          ReturnKind = iota // a number
	RetVoid                               // nothing to be read
	RetMapValue                           // value of the map in the first argument
	RetMapValueOrNull                     // the same, or NULL
	RetSocketOrNull                       // struct bpf_sock, referenced if looked up
	RetTCPSockOrNull                      // struct bpf_tcp_sock
	RetSockCommonOrNull                   // struct bpf_sock of any kind
	RetRingBufMemOrNull                   // reserved record
	RetDynptrMemOrNull                    // slice of a dynptr
	RetMemOrBTF                           // per-CPU variable: memory or kernel structure
	RetMemOrBTFOrNull                     // the same, or NULL
	RetBTF                                // kernel structure
	RetBTFOrNull                          // the same, or NULL
)

var returnKindNames = [...]string{
	"integer", "void", "value", "value_or_null", "socket_or_null", "tcp_sock_or_null",
	"sock_common_or_null", "ringbuf_mem_or_null", "dynptr_mem_or_null", "mem_or_btf",
	"mem_or_btf_or_null", "btf", "btf_or_null",
}

// String is a short name ("value_or_null").
func (k ReturnKind) String() string { return nameOf("ReturnKind", uint32(k), returnKindNames[:]) }
