package object

import (
	"bytes"
	"debug/elf"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/cilium/ebpf"
)

// Global variables in an arena lie in a section of their own, and in the bytes
// that the reader behind will see in one it knows, of a name as long.
const (
	arenaSection = ".addr_space.1"
	arenaData    = ".data.__arena"
)

// plainArena gives the section of variables in an arena that other name, and says
// whether there is one. Its type has the old one until plainArenaType.
func (im *image) plainArena() (renamed bool) {
	s := im.section(arenaSection)
	if s == nil || im.section(arenaData) != nil {
		return false
	}
	for i := range im.sections {
		t := &im.sections[i]
		if t.kind == elf.SHT_STRTAB && rename(t.data[min(int(s.nameOff), len(t.data)):]) {
			renamed = true
		}
	}
	if renamed {
		s.name = arenaData
	}
	return renamed
}

// plainArenaType gives the section's type its new name. The types must have been
// checked.
func (im *image) plainArenaType() {
	if b := im.section(".BTF"); b != nil && b.kind != elf.SHT_NOBITS && len(b.data) >= btfHeaderSize {
		t := newRawTypes(b.data)
		for _, rec := range t.records {
			if t.kind(rec) == kindDatasec && t.name(rec) == arenaSection {
				rename(t.strings[t.word(rec, 0):])
			}
		}
	}
}

// rename changes the name that text begins with, if it is the arena section's.
func rename(text []byte) bool {
	if !bytes.HasPrefix(text, []byte(arenaSection+"\x00")) {
		return false
	}
	copy(text, arenaData)
	return true
}

// placeArena makes variables in the arena what they are: the first bytes of the
// object's one arena. Programs and variables refer to it afterwards, and its
// contents are those bytes at key 0, a uint32.
func placeArena(spec *ebpf.CollectionSpec) error {
	data, ok := spec.Maps[arenaData]
	if !ok {
		return nil
	}
	var arenas []string
	for _, name := range slices.Sorted(maps.Keys(spec.Maps)) {
		if spec.Maps[name].Type == ebpf.Arena {
			arenas = append(arenas, name)
		}
	}
	if len(arenas) != 1 {
		return malformed("section "+arenaSection, fmt.Sprintf("variables in an arena, and the object has %d arenas (%s) instead of one", len(arenas), strings.Join(arenas, ", ")))
	}
	arena := spec.Maps[arenas[0]]
	const page = 4096
	if uint64(data.ValueSize) > uint64(arena.MaxEntries)*page {
		return malformed("section "+arenaSection, fmt.Sprintf("%d bytes of variables in arena %s of %d pages", data.ValueSize, arenas[0], arena.MaxEntries))
	}
	value := make([]byte, data.ValueSize)
	for _, kv := range data.Contents {
		if b, ok := kv.Value.([]byte); ok {
			copy(value, b)
		}
	}
	arena.Contents = []ebpf.MapKV{{Key: uint32(0), Value: value}}
	for _, p := range spec.Programs {
		for i := range p.Instructions {
			if ins := &p.Instructions[i]; ins.Reference() == arenaData {
				*ins = ins.WithReference(arenas[0])
			}
		}
	}
	for _, v := range spec.Variables {
		if v.SectionName == arenaData {
			v.SectionName = arenas[0]
		}
	}
	delete(spec.Maps, arenaData)
	return nil
}
