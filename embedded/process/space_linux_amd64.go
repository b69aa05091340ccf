package process

import (
	"bufio"
	"debug/elf"
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/skepdev/skep/engine"
)

// space is the memory of a process, which its threads share.
type space struct {
	pid int
	at  map[uint64]*breakpoint
	// going: the command has seen the SIGCONT that started it.
	going bool
}

// breakpoint is an int3 in a process's code.
type breakpoint struct {
	addr uint64
	// code is what stands there and behind, n bytes of it.
	code  [16]byte
	n     int
	sites []*uprobe
}

// uprobe is a place in a file.
type uprobe struct {
	path   string
	offset uint64 // in the file
	ret    bool
	list   []*hook
}

// pendingReturn is a call under way of a function whose return is wanted.
type pendingReturn struct {
	sp    uint64 // where the return address lies
	addr  uint64 // of the function
	sites *uprobe
}

// uprobe finds a place in a file. It is placed in processes when they start or
// map the file.
func (t *tracer) uprobe(h *hook, path, symbol string, address, offset uint64, ret bool) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("%s: broken ELF file: %v", path, r)
		}
	}()
	f, err := elf.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	at := address + offset
	if symbol != "" {
		value, ok := symbolValue(f, symbol)
		if !ok {
			return fmt.Errorf("%s has no symbol %s: %w", path, symbol, engine.ErrNotExist)
		}
		at = value + offset
	}
	for _, p := range f.Progs {
		if p.Type == elf.PT_LOAD && p.Flags&elf.PF_X != 0 && at >= p.Vaddr && at-p.Vaddr < p.Filesz {
			u := &uprobe{path: path, offset: at - p.Vaddr + p.Off, ret: ret, list: []*hook{h}}
			t.hooks.mu.Lock()
			t.hooks.uprobes = append(t.hooks.uprobes, u)
			t.hooks.mu.Unlock()
			return nil
		}
	}
	return fmt.Errorf("%s: there is no code at %#x: %w", path, at, engine.ErrNotExist)
}

func symbolValue(f *elf.File, name string) (uint64, bool) {
	syms, _ := f.Symbols()
	dyn, _ := f.DynamicSymbols()
	for _, s := range append(syms, dyn...) {
		if s.Name == name && s.Value != 0 && elf.ST_TYPE(s.Info) != elf.STT_OBJECT {
			return s.Value, true
		}
	}
	return 0, false
}

// place puts breakpoints wherever a file is mapped that probes name and that
// has none yet.
func (t *tracer) place(sp *space) {
	if len(t.hooks.uprobes) == 0 {
		return
	}
	f, err := os.Open(fmt.Sprintf("/proc/%d/maps", sp.pid))
	if err != nil {
		return
	}
	defer f.Close()
	for sc := bufio.NewScanner(f); sc.Scan(); {
		words := strings.Fields(sc.Text())
		if len(words) < 6 || len(words[1]) < 3 || words[1][2] != 'x' {
			continue
		}
		var lo, hi, off uint64
		if _, err := fmt.Sscanf(words[0]+" "+words[2], "%x-%x %x", &lo, &hi, &off); err != nil {
			continue
		}
		for _, u := range t.hooks.uprobes {
			if u.offset >= off && u.offset-off < hi-lo && sameFile(strings.Join(words[5:], " "), u.path) {
				if b := t.breakAt(sp, lo+u.offset-off); b != nil && !b.has(u) {
					b.sites = append(b.sites, u)
				}
			}
		}
	}
}

func (b *breakpoint) has(u *uprobe) bool {
	for _, s := range b.sites {
		if s == u {
			return true
		}
	}
	return false
}

// breakAt is the breakpoint at an address, made if need be; nil if that cannot
// be. A thread of the process stands still.
func (t *tracer) breakAt(sp *space, addr uint64) *breakpoint {
	if b := sp.at[addr]; b != nil {
		return b
	}
	tid := 0
	for _, th := range t.threads {
		if th.space == sp && th.stopped {
			tid = th.tid
		}
	}
	if tid == 0 {
		return nil
	}
	b := &breakpoint{addr: addr}
	b.n, _ = unix.PtracePeekText(tid, uintptr(addr), b.code[:])
	if b.n == 0 {
		return nil
	}
	if _, err := unix.PtracePokeText(tid, uintptr(addr), []byte{int3}); err != nil {
		return nil
	}
	sp.at[addr] = b
	return b
}

// copy takes over the breakpoints of a process whose memory this one copied.
func (sp *space) copy(from *space) {
	for addr, b := range from.at {
		c := *b
		sp.at[addr] = &c
	}
	sp.going = true
}

// inherit is copy from the parent of a process that was seen before its
// parent's report.
func (sp *space) inherit(t *tracer, tid int) {
	b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", tid))
	_, rest, _ := strings.Cut(string(b), "\nPPid:\t")
	ppid := 0
	fmt.Sscan(rest, &ppid)
	if parent := t.threads[ppid]; parent != nil {
		sp.copy(parent.space)
	}
}

// clear puts the code back as it was.
func (sp *space) clear(tid int) {
	for addr, b := range sp.at {
		unix.PtracePokeText(tid, uintptr(addr), b.code[:1])
	}
	clear(sp.at)
}
