//go:build linux

package kernel

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"runtime"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/btf"
	"golang.org/x/sys/unix"
)

// The loader below knows every program type but one: it finds no attach target
// for lsm_cgroup programs (Linux 6.0). They are taken out of the spec and loaded
// here, after the maps, with the loader's own parts: relocation, line
// information and encoding are its exported functions.

// isLSMCgroup says whether p is such a program.
func isLSMCgroup(p *ebpf.ProgramSpec) bool {
	return p.Type == ebpf.LSM && p.AttachType == ebpf.AttachLSMCgroup
}

// takeLSMCgroup returns the spec without lsm_cgroup programs, and those.
func takeLSMCgroup(spec *ebpf.CollectionSpec) (*ebpf.CollectionSpec, map[string]*ebpf.ProgramSpec) {
	var taken map[string]*ebpf.ProgramSpec
	for name, p := range spec.Programs {
		if isLSMCgroup(p) {
			if taken == nil {
				taken = map[string]*ebpf.ProgramSpec{}
			}
			taken[name] = p
		}
	}
	if taken == nil {
		return spec, nil
	}
	rest := *spec
	rest.Programs = map[string]*ebpf.ProgramSpec{}
	for name, p := range spec.Programs {
		if taken[name] == nil {
			rest.Programs[name] = p
		}
	}
	return &rest, taken
}

// loadLSMCgroup loads one such program against the maps that were made.
func loadLSMCgroup(p *ebpf.ProgramSpec, maps map[string]*ebpf.Map, target *btf.Spec, wantLog bool) (*ebpf.Program, error) {
	kernel, err := btf.LoadKernelSpec()
	if err != nil {
		return nil, notSupported("lsm_cgroup program "+p.Name, "the kernel has no types to find its hook in", "a kernel with CONFIG_DEBUG_INFO_BTF", err)
	}
	hook, err := lsmHook(kernel, p.AttachTo)
	if err != nil {
		return nil, err
	}
	if target == nil {
		target = kernel
	}
	insns, err := bindMaps(p, maps)
	if err != nil {
		return nil, err
	}
	var b btf.Builder
	if err := relocateCode(insns, p.ByteOrder, target, &b); err != nil {
		return nil, fmt.Errorf("program %s: %w", p.Name, err)
	}
	funcs, lines, err := btf.MarshalExtInfos(insns, &b)
	if err != nil {
		return nil, fmt.Errorf("program %s: %w", p.Name, err)
	}
	attr := progLoadAttr{
		progType: uint32(p.Type), flags: p.Flags, attachType: uint32(p.AttachType), attachBTF: uint32(hook),
		funcSize: btf.FuncInfoSize, funcs: bytesPtr(funcs), funcCount: uint32(len(funcs)) / btf.FuncInfoSize,
		lineSize: btf.LineInfoSize, lines: bytesPtr(lines), lineCount: uint32(len(lines)) / btf.LineInfoSize,
	}
	copy(attr.name[:objNameLen-1], objectName(p.Name))
	if !b.Empty() {
		types, err := btf.NewHandle(&b)
		if err != nil {
			return nil, fmt.Errorf("program %s: load types: %w", p.Name, err)
		}
		defer types.Close()
		attr.btfFD = uint32(types.FD())
	}
	if attr.license, err = stringPtr(p.License); err != nil {
		return nil, fmt.Errorf("program %s: license: %w", p.Name, err)
	}
	var code bytes.Buffer
	if err := insns.Marshal(&code, nativeOrder()); err != nil {
		return nil, fmt.Errorf("program %s: %w", p.Name, err)
	}
	attr.insns, attr.count = bytesPtr(code.Bytes()), uint32(code.Len()/asm.InstructionSize)
	prog, err := loadRaw(p, &attr, wantLog)
	runtime.KeepAlive(maps)
	runtime.KeepAlive(funcs)
	runtime.KeepAlive(lines)
	return prog, err
}

// loadRaw makes the system call, and again with a log if it fails.
func loadRaw(p *ebpf.ProgramSpec, attr *progLoadAttr, wantLog bool) (*ebpf.Program, error) {
	var log []byte
	enableLog := func() {
		log = make([]byte, verifierLogSize)
		attr.logLevel, attr.logSize, attr.log = uint32(ebpf.LogLevelBranch), verifierLogSize, bytesPtr(log)
	}
	if wantLog {
		enableLog()
	}
	fd, err := bpfCall(cmdProgLoad, attr)
	if err != nil && !wantLog {
		enableLog()
		fd, err = bpfCall(cmdProgLoad, attr)
	}
	text := unix.ByteSliceToString(log)
	if err != nil {
		if text != "" {
			return nil, verifierErrorOf(p, err, text)
		}
		return nil, fmt.Errorf("program %s: load program: %w", p.Name, err)
	}
	prog, err := ebpf.NewProgramFromFD(fd)
	if err != nil {
		return nil, err
	}
	prog.VerifierLog = text
	return prog, nil
}

// lsmHook is the type of the function that stands for a security hook.
func lsmHook(kernel *btf.Spec, name string) (btf.TypeID, error) {
	var fn *btf.Func
	err := kernel.TypeByName("bpf_lsm_"+name, &fn)
	if errors.Is(err, btf.ErrNotFound) {
		return 0, notSupported("security hook "+name, "this kernel has none of that name", "a kernel with CONFIG_BPF_LSM", nil)
	}
	if err != nil {
		return 0, fmt.Errorf("security hook %s: %w", name, err)
	}
	return kernel.TypeID(fn)
}

// bindMaps copies a program's code with the maps that it refers to.
func bindMaps(p *ebpf.ProgramSpec, maps map[string]*ebpf.Map) (asm.Instructions, error) {
	insns := append(asm.Instructions(nil), p.Instructions...)
	for i := range insns {
		ins := &insns[i]
		if !ins.IsLoadFromMap() || ins.Reference() == "" || int32(ins.Constant) > 0 {
			continue
		}
		m := maps[ins.Reference()]
		if m == nil {
			return nil, fmt.Errorf("program %s: the spec has no map %s", p.Name, ins.Reference())
		}
		if err := ins.AssociateMap(m); err != nil {
			return nil, fmt.Errorf("program %s: map %s: %w", p.Name, ins.Reference(), err)
		}
	}
	return insns, nil
}

// relocateCode adapts field offsets to the target's types.
func relocateCode(insns asm.Instructions, order binary.ByteOrder, target *btf.Spec, b *btf.Builder) error {
	var relos []*btf.CORERelocation
	var at []*asm.Instruction
	iter := insns.Iterate()
	for iter.Next() {
		if r := btf.CORERelocationMetadata(iter.Ins); r != nil {
			relos, at = append(relos, r), append(at, iter.Ins)
		}
	}
	if len(relos) == 0 {
		return nil
	}
	if order == nil {
		order = nativeOrder()
	}
	fixups, err := btf.CORERelocate(relos, []*btf.Spec{target}, order, b.Add)
	if err != nil {
		return fmt.Errorf("relocate: %w", err)
	}
	for i := range fixups {
		if err := fixups[i].Apply(at[i]); err != nil {
			return fmt.Errorf("relocate: %w", err)
		}
	}
	return nil
}

// objectName keeps of a name what the kernel takes.
func objectName(s string) string {
	out := make([]byte, 0, objNameLen)
	for _, c := range []byte(s) {
		if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '_' || c == '.' {
			out = append(out, c)
		}
	}
	return string(out)
}
