//go:build linux

package kernel

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/btf"

	"github.com/skepdev/skep/engine"
)

// poisonedKfunc is the helper the loader calls in the place of weak kfuncs that
// the kernel has not (libbpf has a number of its own for this).
const poisonedKfunc = 0xdedc0de

// explainPoison says what was missing where the verifier came upon code that
// the loader poisoned: its own words name only the number of a helper that does
// not exist. types are the object's; nil leaves fields without their names.
func explainPoison(p *ebpf.ProgramSpec, types *btf.Spec, out *engine.VerifierError) {
	core := strings.Contains(out.Reason, fmt.Sprintf("unknown#%d", btf.COREBadRelocationSentinel)) ||
		strings.Contains(out.Assembly, fmt.Sprintf("r10 = 0x%x", btf.COREBadRelocationSentinel))
	kfunc := strings.Contains(out.Reason, fmt.Sprintf("unknown#%d", poisonedKfunc))
	if !core && !kfunc {
		return
	}
	ins := instructionAt(p, out.Instruction)
	if ins == nil {
		return
	}
	relo := btf.CORERelocationMetadata(ins)
	switch {
	case kfunc && ins.Reference() != "":
		out.Reason = fmt.Sprintf("the kernel has no kfunc %s, which is weak and called without a check", ins.Reference())
	case core && relo != nil:
		out.Reason = missing(relo, types)
	default:
		return
	}
	// The loader's stand-in says nothing; what it stands for does.
	out.Assembly, out.Source = "", engine.SourceLine{}
	completeFromSpec(p, out)
}

func instructionAt(p *ebpf.ProgramSpec, slot int) *asm.Instruction {
	iter := p.Instructions.Iterate()
	for iter.Next() {
		if int(iter.Offset) == slot {
			return iter.Ins
		}
	}
	return nil
}

// missing words a relocation that found nothing. What the library tells of one
// is its text: CORERelocation(byte_off, Struct:"task_struct"[0:3], local_id=12).
func missing(relo *btf.CORERelocation, types *btf.Spec) string {
	text := strings.TrimSuffix(strings.TrimPrefix(relo.String(), "CORERelocation("), ")")
	kind, rest, _ := strings.Cut(text, ", ")
	what, id, _ := strings.Cut(rest, ", local_id=")
	accessor := ""
	if i := strings.LastIndexByte(what, '['); i >= 0 {
		what, accessor = what[:i], strings.TrimSuffix(what[i+1:], "]")
	}
	keyword, name, _ := strings.Cut(what, ":")
	what = strings.ToLower(keyword) + " " + strings.Trim(name, `"`)
	if n, err := strconv.ParseUint(id, 10, 32); err == nil && types != nil {
		if t, err := types.TypeByID(btf.TypeID(n)); err == nil {
			if path := member(t, strings.Split(accessor, ":")); path != "" {
				what = path + " of " + what
			}
		}
	}
	return fmt.Sprintf("the kernel's types have no %s that fits (CO-RE relocation %s)", what, kind)
}

// maxAccess bounds how deep an accessor is followed.
const maxAccess = 32

// member words what an accessor reaches: the first number counts elements of
// the type itself, the rest members and elements; of an enum it is the value.
func member(t btf.Type, accessor []string) string {
	if len(accessor) > maxAccess {
		return ""
	}
	path := ""
	for i, part := range accessor {
		n, err := strconv.Atoi(part)
		if err != nil || n < 0 {
			return ""
		}
		t = btf.UnderlyingType(t)
		if e, ok := t.(*btf.Enum); ok {
			if i == 0 && n < len(e.Values) {
				return "value " + e.Values[n].Name
			}
			return ""
		}
		if i == 0 {
			continue
		}
		var members []btf.Member
		switch v := t.(type) {
		case *btf.Array:
			path, t = fmt.Sprintf("%s[%d]", path, n), v.Type
			continue
		case *btf.Struct:
			members = v.Members
		case *btf.Union:
			members = v.Members
		}
		if n >= len(members) {
			return ""
		}
		if members[n].Name != "" {
			path += "." + members[n].Name
		}
		t = members[n].Type
	}
	if path == "" {
		return ""
	}
	return "field " + strings.TrimPrefix(path, ".")
}
