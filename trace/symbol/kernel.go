package symbol

import (
	"bufio"
	"bytes"
	"io"
	"os"
	"strconv"
	"sync"
)

// Kernel names addresses of the kernel, its modules and BPF programs. The zero
// value reads /proc/kallsyms when first asked. Safe for concurrent use.
type Kernel struct {
	// Reader gives another list in the form of /proc/kallsyms, read once.
	Reader io.Reader

	once    sync.Once
	t       table
	modules []module
}

// module is a range of symbols, by address, that a module owns.
type module struct {
	addr uint64
	name string
}

// Find names the function that addr is in, how far in it is, and the module
// that holds it ("" for the kernel itself). ok is false where the kernel hides
// its addresses (sysctl kernel.kptr_restrict).
func (k *Kernel) Find(addr uint64) (name string, offset uint64, mod string, ok bool) {
	k.once.Do(k.load)
	name, start, ok := k.t.find(addr)
	if !ok {
		return "", 0, "", false
	}
	return name, addr - start, k.module(start), true
}

// module is whose symbol stands at an address.
func (k *Kernel) module(addr uint64) string {
	lo, hi := 0, len(k.modules)
	for lo < hi {
		if mid := (lo + hi) / 2; k.modules[mid].addr > addr {
			hi = mid
		} else {
			lo = mid + 1
		}
	}
	if lo == 0 {
		return ""
	}
	return k.modules[lo-1].name
}

func (k *Kernel) load() {
	r := k.Reader
	if r == nil {
		f, err := os.Open("/proc/kallsyms")
		if err != nil {
			return
		}
		defer f.Close()
		r = f
	}
	owner := map[uint64]string{}
	names := map[string]string{}
	sc := bufio.NewScanner(r)
	sc.Buffer(make([]byte, 64<<10), 1<<20)
	for sc.Scan() && len(k.t.syms) < MaxSymbols {
		addr, kind, name, mod, ok := kernelLine(sc.Bytes())
		if !ok || addr == 0 || (kind|0x20 != 't' && kind|0x20 != 'w') {
			continue
		}
		// Of several names for one address the first is taken.
		k.t.addName(addr, 0, string(name), 0)
		if len(mod) > 0 {
			m, seen := names[string(mod)]
			if !seen {
				m = string(mod)
				names[m] = m
			}
			owner[addr] = m
		}
	}
	k.t.finish()
	for _, s := range k.t.syms {
		m := owner[s.addr]
		if n := len(k.modules); n > 0 && k.modules[n-1].name == m {
			continue
		}
		k.modules = append(k.modules, module{s.addr, m})
	}
}

// kernelLine reads a line: ffffffffc0001000 t name	[module]
func kernelLine(b []byte) (addr uint64, kind byte, name, mod []byte, ok bool) {
	a, rest, ok := bytes.Cut(b, []byte(" "))
	if !ok || len(rest) < 3 || rest[1] != ' ' {
		return 0, 0, nil, nil, false
	}
	addr, err := strconv.ParseUint(string(a), 16, 64)
	if err != nil {
		return 0, 0, nil, nil, false
	}
	name, mod, _ = bytes.Cut(rest[2:], []byte("\t"))
	return addr, rest[0], name, bytes.Trim(mod, "[] "), len(name) > 0
}
