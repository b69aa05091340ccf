package object

import (
	"bytes"
	"debug/elf"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/cilium/ebpf/btf"
)

// OpenTypes reads BTF from a file: raw, as in /sys/kernel/btf/vmlinux and the
// archives of BTFHub, or the .BTF section of an ELF file such as vmlinux. The
// result serves [Relocate] as a target.
func OpenTypes(path string) (*btf.Spec, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("open types: %w", err)
	}
	defer f.Close()
	spec, err := ReadTypes(f)
	if err != nil {
		return nil, fmt.Errorf("open types %s: %w", path, err)
	}
	return spec, nil
}

// ReadTypes is [OpenTypes] of what is already open.
func ReadTypes(r io.ReaderAt) (_ *btf.Spec, err error) {
	defer contain("reading types", &err)
	raw, err := typesOf(r)
	if err != nil {
		return nil, err
	}
	if err := walkTypes(raw, maxTypeDepth); err != nil {
		return nil, &Error{What: "malformed types", Err: err}
	}
	spec, err := btf.LoadSpecFromReader(bytes.NewReader(raw))
	if err != nil {
		return nil, &Error{What: "malformed types", Err: err}
	}
	return spec, nil
}

func typesOf(r io.ReaderAt) ([]byte, error) {
	magic := make([]byte, len(elf.ELFMAG))
	n, err := r.ReadAt(magic, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, &Error{What: "cannot be read", Err: err}
	}
	if string(magic[:n]) != elf.ELFMAG {
		return readLimited(io.NewSectionReader(r, 0, MaxTypesSize+1))
	}
	// vmlinux is far larger than an object, so only its one section is read.
	f, err := elf.NewFile(r)
	if err != nil {
		return nil, &Error{What: "malformed ELF file", Err: err}
	}
	s := f.Section(".BTF")
	if s == nil {
		return nil, &Error{What: "the ELF file has no section .BTF", Mend: "build it with CONFIG_DEBUG_INFO_BTF or run pahole -J over it"}
	}
	if s.Type == elf.SHT_NOBITS || s.Flags&elf.SHF_COMPRESSED != 0 {
		return nil, malformed("section .BTF", "has no plain contents")
	}
	return readLimited(s.Open())
}

func readLimited(r io.Reader) ([]byte, error) {
	raw, err := io.ReadAll(io.LimitReader(r, MaxTypesSize+1))
	if err != nil {
		return nil, &Error{What: "cannot be read", Err: err}
	}
	if len(raw) > MaxTypesSize {
		return nil, &Error{What: fmt.Sprintf("types of more than the %d bytes allowed", MaxTypesSize)}
	}
	return raw, nil
}
