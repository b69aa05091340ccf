package engine

import (
	"fmt"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
)

// Feature is something an engine may or may not be able to do here: exactly
// one of the fields is set (Helper together with Program).
type Feature struct {
	// Program is a program type that can be loaded.
	Program ebpf.ProgramType
	// Map is a map type that can be created.
	Map ebpf.MapType
	// Helper is a helper that programs of type Program may call.
	Helper asm.BuiltinFunc
	// Attach is a kind of target that a program can really be attached to.
	Attach AttachKind
	// Other is anything else, by name ([FeatureBTF] …).
	Other string
}

// Features without a number of their own.
const (
	// FeatureBTF: types of the running kernel, for CO-RE.
	FeatureBTF = "btf"
	// FeatureNativeXDP: XDP in the driver.
	FeatureNativeXDP = "xdp-native"
	// FeatureBoundedLoops, FeatureLargePrograms: Linux 5.3 and 5.2.
	FeatureBoundedLoops  = "bounded-loops"
	FeatureLargePrograms = "large-programs"
	// FeaturePins: links, maps and programs outlive the process.
	FeaturePins = "pins"
	// FeatureBatch: map batch operations.
	FeatureBatch = "batch"
	// FeatureISAv3 and FeatureISAv4: instructions of clang -mcpu=v3 and v4.
	FeatureISAv3 = "isa-v3"
	FeatureISAv4 = "isa-v4"
)

func (f Feature) String() string {
	switch {
	case f.Helper != 0:
		return fmt.Sprintf("helper %s in %s programs", f.Helper, f.Program)
	case f.Program != ebpf.UnspecifiedProgram:
		return fmt.Sprintf("program type %s", f.Program)
	case f.Map != ebpf.UnspecifiedMap:
		return fmt.Sprintf("map type %s", f.Map)
	case f.Attach != "":
		return "attach " + string(f.Attach)
	}
	return f.Other
}
