package helpers

import (
	"runtime"
	"syscall"

	"github.com/skepdev/skep/abi"
	"github.com/skepdev/skep/vm/internal/interp"
)

// The kernel of programs that run here is this process: their kernel stack is
// the goroutine's that runs them, as program counters, the innermost first.
// There is no user below it, as for a thread of the kernel.
var stackTable = table{
	abi.FnGetStackid:   getStackID,
	abi.FnGetStack:     func(t *interp.Thread) uint64 { return getStack(t, t.R[2], t.R[3], t.R[4]) },
	abi.FnGetTaskStack: getTaskStack,
}

// maxStack is kernel.perf_event_max_stack.
const maxStack = 127

// stackOf is the goroutine's stack without its first skip functions, at most
// depth of them.
func stackOf(t *interp.Thread, skip, depth int) []uint64 {
	// Callers, this function, and the helper's own.
	const own = 3
	n := runtime.Callers(own, t.PCs[:min(skip+min(depth, maxStack), len(t.PCs))])
	if n <= skip {
		return nil
	}
	words := t.Words[:n-skip]
	for i, pc := range t.PCs[skip:n] {
		words[i] = uint64(pc)
	}
	return words
}

func getStackID(t *interp.Thread) uint64 {
	m := t.Map(t.R[2])
	if m == nil {
		return 0
	}
	if m.Stacks == nil {
		t.Fail("map %s is a %s, not a stack trace map", m.Name, m.Type)
		return 0
	}
	flags := t.R[3]
	switch {
	case flags&^uint64(abi.FlagSkipFieldMask|abi.FlagUserStack|abi.FlagFastStackCmp|abi.FlagReuseStackID) != 0:
		return fail(syscall.EINVAL)
	case flags&abi.FlagUserStack != 0:
		return fail(syscall.EFAULT)
	}
	stack := stackOf(t, int(flags&abi.FlagSkipFieldMask), m.Stacks.Depth())
	if len(stack) == 0 {
		return fail(syscall.EFAULT)
	}
	return uint64(m.Stacks.Add(stack, flags))
}

func getStack(t *interp.Thread, at, size, flags uint64) uint64 {
	size = uint64(uint32(size))
	buf := t.Write(at, size)
	if buf == nil {
		return 0
	}
	// What the flags ask for has words of this size.
	const word = 8
	switch {
	case flags&^uint64(abi.FlagSkipFieldMask|abi.FlagUserStack|abi.FlagUserBuildID) != 0,
		flags&abi.FlagUserBuildID != 0 && flags&abi.FlagUserStack == 0, size%word != 0:
		clear(buf)
		return fail(syscall.EINVAL)
	case flags&abi.FlagUserStack != 0:
		clear(buf)
		return fail(syscall.EFAULT)
	}
	stack := stackOf(t, int(flags&abi.FlagSkipFieldMask), len(buf)/word)
	for i, pc := range stack {
		putUint64(buf[i*word:], pc)
	}
	clear(buf[len(stack)*word:])
	return uint64(len(stack) * word)
}

func getTaskStack(t *interp.Thread) uint64 {
	if t.R[1] != t.Env.Task() {
		if buf := t.Write(t.R[2], uint64(uint32(t.R[3]))); buf != nil {
			clear(buf)
		}
		return fail(syscall.EFAULT)
	}
	return getStack(t, t.R[2], t.R[3], t.R[4])
}
