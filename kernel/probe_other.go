//go:build linux

package kernel

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/btf"

	"github.com/skepdev/skep/engine"
)

// probeOther tries the features that have a name only.
func (e *Engine) probeOther(ctx context.Context, f engine.Feature) error {
	switch f.Other {
	case engine.FeatureBTF:
		return probeBTF()
	case engine.FeatureNativeXDP:
		return e.probeXDP(ctx, engine.XDPNative)
	case engine.FeatureBoundedLoops:
		return e.probeCode(ctx, f.Other, "Linux 5.3", asm.Instructions{
			asm.Mov.Imm(asm.R0, 0),
			asm.Add.Imm(asm.R0, 1).WithSymbol("again"),
			asm.JLT.Imm(asm.R0, 10, "again"),
			asm.Return(),
		})
	case engine.FeatureLargePrograms:
		const more = 5000 // than the 4096 of old
		code := make(asm.Instructions, 0, more)
		for range more {
			code = append(code, asm.Mov.Imm(asm.R0, 0))
		}
		return e.probeCode(ctx, f.Other, "Linux 5.2", append(code, asm.Return()))
	case engine.FeatureISAv3:
		return e.probeCode(ctx, f.Other, "Linux 5.1", asm.Instructions{
			asm.Mov.Imm32(asm.R0, 0),
			asm.JLT.Imm32(asm.R0, 5, "out"),
			asm.Mov.Imm32(asm.R0, 1),
			asm.Return().WithSymbol("out"),
		})
	case engine.FeatureISAv4:
		return e.probeCode(ctx, f.Other, "Linux 6.6", asm.Instructions{
			asm.Mov.Imm(asm.R0, 0),
			asm.MovSX8.Reg(asm.R0, asm.R0),
			asm.BSwap(asm.R0, asm.DWord),
			asm.Return(),
		})
	case engine.FeaturePins:
		return e.probePins()
	case engine.FeatureBatch:
		return e.probeBatch()
	}
	return notSupported(f.String(), "this engine has no probe for it", "", nil)
}

// probeBTF reads the kernel's types.
func probeBTF() error {
	_, err := btf.LoadKernelSpec()
	if err == nil {
		return nil
	}
	if isPermission(err) {
		return permission("read kernel types", err, capSysAdmin)
	}
	return notSupported("types of the running kernel", "there is no /sys/kernel/btf/vmlinux, and no kernel image with types",
		"a kernel with CONFIG_DEBUG_INFO_BTF, or types supplied at load time", err)
}

// probeCode loads a socket filter of the given code.
func (e *Engine) probeCode(ctx context.Context, feature, remedy string, code asm.Instructions) error {
	coll, err := e.loadOne(ctx, &ebpf.ProgramSpec{
		Name: "probe", Type: ebpf.SocketFilter, License: "GPL", Instructions: code,
	})
	if err != nil {
		return absent(feature, remedy, err)
	}
	return coll.Close()
}

// probePins pins a map in each mounted bpffs until one takes it, and unpins it.
func (e *Engine) probePins() error {
	dirs, err := mountsOf("bpf")
	if err != nil {
		return err
	}
	m, err := e.NewMap(smallestMap(ebpf.Array))
	if err != nil {
		return absent("pins", "", err)
	}
	defer m.Close()
	const remedy = "mount -t bpf bpf /sys/fs/bpf"
	if len(dirs) == 0 {
		return notSupported("pins", "no bpffs is mounted", remedy, nil)
	}
	var errs []error
	for _, dir := range dirs {
		err := m.Pin(filepath.Join(dir, fmt.Sprintf("skep-probe-%d", os.Getpid())))
		if err == nil {
			return m.Unpin()
		}
		errs = append(errs, err)
	}
	return absent("pins", remedy, errors.Join(errs...))
}

// mountsOf lists where file systems of a type are mounted.
func mountsOf(fstype string) ([]string, error) {
	b, err := os.ReadFile("/proc/self/mounts")
	if err != nil {
		return nil, fmt.Errorf("list mounts: %w", err)
	}
	var out []string
	for line := range strings.Lines(string(b)) {
		if f := strings.Fields(line); len(f) > 2 && f[2] == fstype {
			out = append(out, unescapeMount(f[1]))
		}
	}
	return out, nil
}

// unescapeMount undoes the octal escapes of spaces in mount points.
func unescapeMount(s string) string {
	return strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`).Replace(s)
}

// probeBatch stores two elements in one call.
func (e *Engine) probeBatch() error {
	spec := smallestMap(ebpf.Array)
	spec.MaxEntries = 2
	m, err := e.NewMap(spec)
	if err != nil {
		return absent("batch operations", "Linux 5.6", err)
	}
	defer m.Close()
	if _, err := m.UpdateBatch(make([]byte, 8), make([]byte, 8), 0); err != nil {
		return absent("batch operations", "Linux 5.6", err)
	}
	return nil
}
