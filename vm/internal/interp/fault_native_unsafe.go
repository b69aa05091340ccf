//go:build linux && (amd64 || arm64)

package interp

import (
	"bufio"
	"fmt"
	"os"
	"sync"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/skepdev/skep/isa"
)

// Faults of native code. An access that was proved is not compared; should a
// proof be wrong, the processor says so, by a signal that Go's runtime would end
// the process for: it knows neither the code nor where its caller went on. So
// SIGSEGV and SIGBUS come to a handler of ours first. If the code that faulted is
// no Go code, and would have returned into enter, it notes where, and lets enter
// go on as if native code had left; everything else goes to Go's own handler, as
// if there were no other.

// What the handler reads. It is set once, before the handler is installed.
var (
	textStart, textEnd      uintptr //lint:ignore U1000 of Go's own code; assembly reads them
	enterReturn             uintptr //lint:ignore U1000 where enter goes on behind native code; assembly writes and reads it
	segvHandler, busHandler uintptr // Go's
)

// In assembly.
var recordReturnAddress, faultHandlerAddress uintptr

var catchFaults = sync.OnceFunc(func() {
	var err error
	if textStart, textEnd, err = mappingOf(faultHandlerAddress); err != nil {
		return // a fault ends the process, as it would without a handler
	}
	enter(recordReturnAddress, 0, &Thread{})
	for sig, old := range map[uintptr]*uintptr{uintptr(unix.SIGSEGV): &segvHandler, uintptr(unix.SIGBUS): &busHandler} {
		var act sigaction
		if sigactionCall(sig, nil, &act) != 0 || act.handler <= 1 { // SIG_DFL, SIG_IGN
			continue
		}
		*old = act.handler
		act.handler = faultHandlerAddress
		sigactionCall(sig, &act, nil)
	}
})

// sigaction is struct sigaction of the system call on amd64 and arm64.
type sigaction struct {
	handler, flags, restorer uintptr
	mask                     uint64
}

func sigactionCall(sig uintptr, act, old *sigaction) unix.Errno {
	_, _, e := unix.RawSyscall6(unix.SYS_RT_SIGACTION, sig, uintptr(unsafe.Pointer(act)), uintptr(unsafe.Pointer(old)), unsafe.Sizeof(act.mask), 0, 0)
	return e
}

// mappingOf is the mapping that an address lies in.
func mappingOf(at uintptr) (start, end uintptr, err error) {
	f, err := os.Open("/proc/self/maps")
	if err != nil {
		return 0, 0, err
	}
	defer f.Close()
	for s := bufio.NewScanner(f); s.Scan(); {
		if _, err := fmt.Sscanf(s.Text(), "%x-%x", &start, &end); err == nil && start <= at && at < end {
			return start, end, nil
		}
	}
	return 0, 0, fmt.Errorf("no mapping holds %#x", at)
}

// nativeFault makes the end of the run of a fault of native code.
func (t *Thread) nativeFault() {
	n := t.prog.Native
	pc := n.slotAt(t.faultPC - n.Resume)
	s := &Stop{Program: t.prog, PC: pc, Address: uint64(t.faultAddress), Reason: "the processor refused the access, although it was proved to be allowed"}
	if pc >= 0 {
		ins := t.prog.Insns[pc]
		s.Size, s.Write = ins.Bytes(), ins.Class() == isa.ClassST || ins.Class() == isa.ClassSTX
	}
	t.faultPC = 0
	t.pc = max(pc, 0)
	if t.stop == nil {
		t.stop = s
	}
}
