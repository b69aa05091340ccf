package kernel

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"fmt"
	"io"

	"github.com/skepdev/skep/engine"
)

// usdtPlace is one place of a statically defined probe.
type usdtPlace struct {
	// offset and semaphore are offsets in the file; a semaphore of 0 means the
	// probe has none.
	offset, semaphore uint64
	// args describes the arguments, "8@%rdi -4@$5".
	args string
}

// The note that describes a probe: owner, type and sections, as written by
// <sys/sdt.h> (sourceware.org/systemtap/wiki/UserSpaceProbeImplementation).
const (
	sdtOwner   = "stapsdt"
	sdtType    = 3
	sdtNotes   = ".note.stapsdt"
	sdtBase    = ".stapsdt.base"
	maxSDTNote = 64 << 20 // far beyond what any program carries
)

// usdtPlaces finds all places of a probe in an executable or library.
func usdtPlaces(path, provider, name string) ([]usdtPlace, error) {
	f, err := openELF(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var out []usdtPlace
	err = safely(path, func() (err error) {
		out, err = readUSDT(f, provider, name)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("%s: no probe %s:%s: %w", path, provider, name, engine.ErrNotExist)
	}
	return out, nil
}

func readUSDT(f *elf.File, provider, name string) ([]usdtPlace, error) {
	notes := f.Section(sdtNotes)
	if notes == nil || notes.Type != elf.SHT_NOTE {
		return nil, nil
	}
	if notes.Size > maxSDTNote {
		return nil, fmt.Errorf("section %s has %d bytes: too large", sdtNotes, notes.Size)
	}
	data, err := io.ReadAll(io.LimitReader(notes.Open(), maxSDTNote))
	if err != nil {
		return nil, fmt.Errorf("section %s: %w", sdtNotes, err)
	}
	var base uint64
	if s := f.Section(sdtBase); s != nil {
		base = s.Addr
	}
	all, err := parseSDTNotes(data, f.ByteOrder, f.Class == elf.ELFCLASS64)
	if err != nil {
		return nil, err
	}
	var out []usdtPlace
	for _, n := range all {
		if n.provider != provider || n.name != name {
			continue
		}
		place, err := n.place(f, base)
		if err != nil {
			return nil, err
		}
		out = append(out, place)
	}
	return out, nil
}

// sdtNote is a note as it stands in the file; addresses are virtual ones from
// before the file was prelinked.
type sdtNote struct {
	pc, base, semaphore  uint64
	provider, name, args string
}

// place turns virtual addresses into offsets in the file. When the file was
// prelinked its base section moved, and what notes say moved with it.
func (n sdtNote) place(f *elf.File, base uint64) (usdtPlace, error) {
	var moved uint64
	if base != 0 && n.base != 0 {
		moved = base - n.base
	}
	at, ok := fileOffset(f, n.pc+moved)
	if !ok {
		return usdtPlace{}, fmt.Errorf("probe %s:%s is at %#x, which no executable segment holds", n.provider, n.name, n.pc+moved)
	}
	p := usdtPlace{offset: at, args: n.args}
	if n.semaphore != 0 {
		if p.semaphore, ok = segmentOffset(f, n.semaphore+moved, elf.PF_W); !ok {
			return usdtPlace{}, fmt.Errorf("probe %s:%s has its semaphore at %#x, which no writable segment holds", n.provider, n.name, n.semaphore+moved)
		}
	}
	return p, nil
}

// parseSDTNotes reads a section of ELF notes and returns those of probes.
// Notes: three words (length of the owner's name, length of the description,
// type), the name and the description, each padded to 4 bytes.
func parseSDTNotes(data []byte, order binary.ByteOrder, wide bool) ([]sdtNote, error) {
	var out []sdtNote
	for len(data) >= 12 {
		nameLen, descLen, typ := order.Uint32(data), order.Uint32(data[4:]), order.Uint32(data[8:])
		data = data[12:]
		name, rest, ok := cutPadded(data, nameLen)
		if !ok {
			return nil, fmt.Errorf("section %s: a note's name runs past the end", sdtNotes)
		}
		desc, rest, ok := cutPadded(rest, descLen)
		if !ok {
			return nil, fmt.Errorf("section %s: a note's description runs past the end", sdtNotes)
		}
		data = rest
		if typ != sdtType || string(bytes.TrimRight(name, "\x00")) != sdtOwner {
			continue
		}
		n, err := parseSDTNote(desc, order, wide)
		if err != nil {
			return nil, err
		}
		out = append(out, n)
	}
	return out, nil
}

// cutPadded splits n bytes off, and what pads them to 4; the last may be
// unpadded.
func cutPadded(b []byte, n uint32) (head, rest []byte, ok bool) {
	if uint64(n) > uint64(len(b)) {
		return nil, nil, false
	}
	padded := min((uint64(n)+3)&^3, uint64(len(b)))
	return b[:n], b[padded:], true
}

// parseSDTNote reads a description: three addresses, three strings.
func parseSDTNote(desc []byte, order binary.ByteOrder, wide bool) (n sdtNote, err error) {
	size := 4
	if wide {
		size = 8
	}
	if len(desc) < 3*size {
		return n, fmt.Errorf("section %s: a probe's note has %d bytes, fewer than three addresses", sdtNotes, len(desc))
	}
	for i, to := range []*uint64{&n.pc, &n.base, &n.semaphore} {
		if wide {
			*to = order.Uint64(desc[i*size:])
		} else {
			*to = uint64(order.Uint32(desc[i*size:]))
		}
	}
	text := desc[3*size:]
	for _, to := range []*string{&n.provider, &n.name, &n.args} {
		s, rest, found := bytes.Cut(text, []byte{0})
		if !found {
			return n, fmt.Errorf("section %s: a probe's strings do not end", sdtNotes)
		}
		*to, text = string(s), rest
	}
	return n, nil
}
