package symbol

import "debug/elf"

// linkage enters the stubs of the procedure linkage table as NAME@plt: the entry
// for the i-th relocation of .rela.plt is the i-th of .plt.sec, and the one
// after it in .plt (System V ABI, AMD64 supplement, 5.2).
func (m *image) linkage(t *table) {
	const entry, relaSize, first = 16, 24, 1
	if m.Class != elf.ELFCLASS64 || m.Machine != elf.EM_X86_64 {
		return
	}
	rela := m.Section(".rela.plt")
	if rela == nil || rela.Link == 0 || int(rela.Link) >= len(m.Sections) {
		return
	}
	symtab := m.Sections[rela.Link]
	if int(symtab.Link) >= len(m.Sections) {
		return
	}
	rels, err := m.section(rela)
	if err != nil {
		return
	}
	syms, err := m.section(symtab)
	if err != nil {
		return
	}
	names, err := m.section(m.Sections[symtab.Link])
	if err != nil {
		return
	}
	strs := table{blob: names}
	plt, sec := m.Section(".plt"), m.Section(".plt.sec")
	for i := uint64(0); uint64(len(rels)) >= (i+1)*relaSize && len(t.syms) < MaxSymbols; i++ {
		index := m.ByteOrder.Uint64(rels[i*relaSize+8:]) >> 32
		const size = 24
		if (index+1)*size > uint64(len(syms)) {
			continue
		}
		name := strs.nameAt(m.ByteOrder.Uint32(syms[index*size:]))
		if name == "" {
			continue
		}
		if plt != nil && (i+first)*entry < plt.Size {
			t.addName(plt.Addr+(i+first)*entry, entry, name+"@plt", 0)
		}
		if sec != nil && i*entry < sec.Size {
			t.addName(sec.Addr+i*entry, entry, name+"@plt", 0)
		}
	}
}
