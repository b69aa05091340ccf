package abi

// The words of the helper tables: one for every kind of argument that occurs.

func args(list ...Arg) []Arg { return list }

var (
	anything = Arg{Kind: ArgAnything}
	constMap = Arg{Kind: ArgConstMapPtr}
	key      = Arg{Kind: ArgMapKey}

	value       = Arg{Kind: ArgMapValue}
	valueOrNull = Arg{Kind: ArgMapValue, Flags: ArgMaybeNull}
	valueOut    = Arg{Kind: ArgMapValue, Flags: ArgWritten | ArgUninit}

	mem           = Arg{Kind: ArgMem}
	memOrNull     = Arg{Kind: ArgMem, Flags: ArgMaybeNull}
	written       = Arg{Kind: ArgMem, Flags: ArgWritten}
	writtenOrNull = Arg{Kind: ArgMem, Flags: ArgWritten | ArgMaybeNull}
	uninit        = Arg{Kind: ArgMem, Flags: ArgWritten | ArgUninit}

	size       = Arg{Kind: ArgConstSize}
	sizeOrZero = Arg{Kind: ArgConstSizeOrZero}
	allocSize  = Arg{Kind: ArgConstAllocSizeOrZero}

	longOut  = Arg{Kind: ArgFixedMem, Flags: ArgWritten | ArgUninit | ArgAligned, Size: 8}
	intInOut = Arg{Kind: ArgFixedMem, Flags: ArgWritten | ArgAligned, Size: 4}

	ctx       = Arg{Kind: ArgCtx}
	ctxOrNull = Arg{Kind: ArgCtx, Flags: ArgMaybeNull}

	spinLock  = Arg{Kind: ArgSpinLock}
	timer     = Arg{Kind: ArgTimer}
	kptr      = Arg{Kind: ArgKptr}
	kptrValue = Arg{Kind: ArgBTFPtr, Flags: ArgReleased | ArgMaybeNull}
	perCPU    = Arg{Kind: ArgPerCPUBTFPtr}

	sockCommon    = Arg{Kind: ArgSockCommon}
	socketOrNull  = Arg{Kind: ArgSocket, Flags: ArgMaybeNull}
	btfSock       = Arg{Kind: ArgBTFSockCommon}
	btfSockOrNull = Arg{Kind: ArgBTFSockCommon, Flags: ArgMaybeNull}
	sockReleased  = Arg{Kind: ArgBTFSockCommon, Flags: ArgReleased}

	record      = Arg{Kind: ArgRingBufMem, Flags: ArgReleased}
	callback    = Arg{Kind: ArgFunc}
	stackOrNull = Arg{Kind: ArgStack, Flags: ArgMaybeNull}
	constStr    = Arg{Kind: ArgConstStr}

	dynptr         = Arg{Kind: ArgDynptr}
	dynptrOut      = Arg{Kind: ArgDynptr, Flags: ArgWritten | ArgUninit}
	dynptrReleased = Arg{Kind: ArgDynptr, Flags: ArgReleased}
)

// btf is a pointer to a kernel structure.
func btf(name string) Arg { return Arg{Kind: ArgBTFPtr, Type: name} }

func btfOrNull(name string) Arg { return Arg{Kind: ArgBTFPtr, Type: name, Flags: ArgMaybeNull} }

// fixed is readable memory as large as a structure.
func fixed(name string, bytes uint32) Arg {
	return Arg{Kind: ArgFixedMem, Type: name, Size: bytes}
}
