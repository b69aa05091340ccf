package process

import (
	"encoding/binary"
	"fmt"

	"golang.org/x/sys/unix"
)

// auditArch is AUDIT_ARCH_X86_64.
const auditArch = 0xc000003e

// filter gives a command that stands before its first instruction a seccomp
// filter that stops at the system calls that are wanted. Without any there is
// none.
func (t *tracer) filter(th *thread) error {
	prog := t.hooks.filter()
	if prog == nil {
		t.filtered = true
		return nil
	}
	// struct sock_fprog and the filter lie below the stack, and what lies there
	// is not in use.
	var regs unix.PtraceRegs
	if err := unix.PtraceGetRegs(th.tid, &regs); err != nil {
		return err
	}
	at := regs.Rsp - 1024 - 16 - uint64(len(prog))
	at &^= 15
	head := make([]byte, 16, 16+len(prog))
	binary.LittleEndian.PutUint16(head, uint16(len(prog)/8))
	binary.LittleEndian.PutUint64(head[8:], at+16)
	if _, err := unix.PtracePokeData(th.tid, uintptr(at), append(head, prog...)); err != nil {
		return fmt.Errorf("write the seccomp filter: %w", err)
	}
	const setMode, withFilter = 1, 0 // SECCOMP_SET_MODE_FILTER, no flags
	if err := inject(th.tid, regs, unix.SYS_PRCTL, unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("prctl in the command: %w", err)
	}
	if err := inject(th.tid, regs, unix.SYS_SECCOMP, setMode, withFilter, at, 0, 0); err != nil {
		return fmt.Errorf("seccomp in the command: %w", err)
	}
	t.filtered = true
	return nil
}

// filter is the program, 8 bytes an instruction; nil if no call is wanted.
func (s *hooks) filter() []byte {
	type ins struct {
		code   uint16
		jt, jf uint8
		k      uint32
	}
	const load, jeq, jset, ret = 0x20, 0x15, 0x45, 0x06
	const allow, stop = unix.SECCOMP_RET_ALLOW, unix.SECCOMP_RET_TRACE
	const nrAt, archAt, arg2At = 0, 4, 16 + 2*8
	code := []ins{{load, 0, 0, archAt}, {jeq, 1, 0, auditArch}, {ret, 0, 0, allow}, {load, 0, 0, nrAt}}
	any := false
	switch {
	case len(s.enterAll)+len(s.exitAll) > 0:
		code = append(code, ins{ret, 0, 0, stop})
		any = true
	default:
		for n := range s.enter {
			if s.wanted(n) {
				code = append(code, ins{jeq, 0, 1, uint32(n)}, ins{ret, 0, 0, stop})
				any = true
			}
		}
		if len(s.uprobes) > 0 {
			// Libraries come by mmap of executable memory.
			code = append(code, ins{jeq, 0, 3, unix.SYS_MMAP}, ins{load, 0, 0, arg2At}, ins{jset, 0, 1, unix.PROT_EXEC}, ins{ret, 0, 0, stop})
			any = true
		}
		code = append(code, ins{ret, 0, 0, allow})
	}
	if !any {
		return nil
	}
	var out []byte
	for _, i := range code {
		out = binary.LittleEndian.AppendUint16(out, i.code)
		out = append(out, i.jt, i.jf)
		out = binary.LittleEndian.AppendUint32(out, i.k)
	}
	return out
}

// inject makes a stopped thread do a system call and puts its registers and
// code back.
func inject(tid int, regs unix.PtraceRegs, nr int, args ...uint64) error {
	var old [2]byte
	if _, err := unix.PtracePeekText(tid, uintptr(regs.Rip), old[:]); err != nil {
		return err
	}
	if _, err := unix.PtracePokeText(tid, uintptr(regs.Rip), []byte{0x0f, 0x05}); err != nil {
		return err
	}
	call := regs
	call.Rax, call.Orig_rax = uint64(nr), ^uint64(0)
	call.Rdi, call.Rsi, call.Rdx, call.R10, call.R8 = args[0], args[1], args[2], args[3], args[4]
	if err := unix.PtraceSetRegs(tid, &call); err != nil {
		return err
	}
	for {
		if err := unix.PtraceSingleStep(tid); err != nil {
			return err
		}
		_, ws, err := waitFor(tid)
		if err != nil || !ws.Stopped() {
			return fmt.Errorf("the command ended (%v)", err)
		}
		if err := unix.PtraceGetRegs(tid, &call); err != nil {
			return err
		}
		if call.Rip != regs.Rip {
			break
		}
	}
	if _, err := unix.PtracePokeText(tid, uintptr(regs.Rip), old[:]); err != nil {
		return err
	}
	if err := unix.PtraceSetRegs(tid, &regs); err != nil {
		return err
	}
	if e := -int64(call.Rax); e > 0 && e < 4096 {
		return unix.Errno(e)
	}
	return nil
}
