package main

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	"github.com/cilium/ebpf"
	"golang.org/x/arch/arm64/arm64asm"
	"golang.org/x/arch/x86/x86asm"

	"github.com/skepdev/skep/choose"
	"github.com/skepdev/skep/engine"
	"github.com/skepdev/skep/inspect"
)

// addNative puts what the embedded engine makes of a program under its
// instructions. The program is loaded for that, and not run.
func addNative(l *inspect.Listing, spec *ebpf.CollectionSpec, program, arch string) error {
	ctx := context.Background()
	eng, _, err := choose.OpenWith(ctx, choose.Embedded, choose.Options{})
	if err != nil {
		return err
	}
	defer eng.Close()
	one := spec.Copy()
	for name := range one.Programs {
		if name != program {
			delete(one.Programs, name)
		}
	}
	coll, err := eng.Load(ctx, one, nil)
	if err != nil {
		return err
	}
	defer coll.Close()
	p, ok := coll.Programs[program].(engine.Compiled)
	if !ok {
		return errors.New("the engine does not compile programs itself")
	}
	pieces, err := p.NativeCode(arch)
	if err != nil {
		return err
	}
	text := map[int][]string{}
	for _, pc := range pieces {
		mark := "  "
		if pc.Aside {
			mark = "| " // what stands away from the straight way
		}
		for _, line := range disassemble(arch, pc.Bytes, pc.Offset) {
			text[pc.Slot] = append(text[pc.Slot], mark+line)
		}
	}
	for i := range l.Functions {
		lines := l.Functions[i].Lines
		for k := range lines {
			lines[k].Native = text[lines[k].Slot]
		}
	}
	return nil
}

// disassemble writes machine code down, an instruction a line, behind its place
// in the program's code. Bytes that cannot be read stand as they are.
func disassemble(arch string, code []byte, at int) (lines []string) {
	for len(code) > 0 {
		text, n := "?", min(4, len(code))
		if arch == "arm64" {
			if in, err := arm64asm.Decode(code); err == nil {
				text = strings.ToLower(arm64asm.GNUSyntax(in))
			}
		} else {
			n = 1
			if in, err := x86asm.Decode(code, 64); err == nil {
				text, n = x86asm.GNUSyntax(in, uint64(at), nil), in.Len
			}
		}
		lines = append(lines, fmt.Sprintf("%5x  %-22s %s", at, hex.EncodeToString(code[:n]), text))
		code, at = code[n:], at+n
	}
	return lines
}

// hitListing is the listing of a program that was run, with how often each
// instruction was.
func hitListing(spec *ebpf.CollectionSpec, coll *engine.Collection, program string) (*inspect.Listing, error) {
	p, ok := coll.Programs[program].(engine.Compiled)
	if !ok {
		return nil, errors.New("no profile: the engine does not count")
	}
	hits := p.Hits()
	if hits == nil {
		return nil, errors.New("no profile: only native code counts, and there is none on this system")
	}
	l, err := inspect.List(spec, program)
	if err != nil {
		return nil, err
	}
	for i := range l.Functions {
		lines := l.Functions[i].Lines
		for k := range lines {
			if s := lines[k].Slot; s < len(hits) {
				lines[k].Hits = &hits[s]
			}
		}
	}
	return l, nil
}
