package object

import "debug/elf"

// plainWeak gives weak maps and variables that are defined here a global binding
// in the bytes that the reader behind will see, because it takes no weak ones. They
// differ only when objects are linked with each other: there they give way.
func (im *image) plainWeak() {
	for i := range im.symbols {
		sym := &im.symbols[i]
		if sym.section != elf.SHN_UNDEF && sym.bind() == elf.STB_WEAK && sym.kind() == elf.STT_OBJECT {
			sym.info = elf.ST_INFO(elf.STB_GLOBAL, sym.kind())
			im.data[sym.entry+symInfoField] = sym.info
		}
	}
}
