package object

import (
	"fmt"
	"slices"
	"strings"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/btf"
)

// KconfigMap is the name of the map that holds an object's kconfig variables.
const KconfigMap = ".kconfig"

// maxKconfigSize of the variables together in bytes.
const maxKconfigSize = 1 << 20

// flagRdonlyProg is BPF_F_RDONLY_PROG; engines freeze such maps once filled.
const flagRdonlyProg = 1 << 7

// kconfigMap resolves the variables in used (true: weak) and returns the map
// that holds all of layout.
func kconfigMap(layout *btf.Datasec, used map[string]bool, opts *Options) (*ebpf.MapSpec, error) {
	if layout.Size > maxKconfigSize {
		return nil, malformed("section "+KconfigMap, fmt.Sprintf("%d bytes, more than the %d allowed", layout.Size, maxKconfigSize))
	}
	res := &resolver{opts: opts}
	data := make([]byte, layout.Size)
	var missing []string
	for _, v := range layout.Vars {
		weak, ok := used[v.Type.TypeName()]
		if !ok {
			continue
		}
		name := v.Type.TypeName()
		size, err := btf.Sizeof(v.Type.(*btf.Var).Type)
		if err != nil || size < 0 || uint64(v.Offset)+uint64(size) > uint64(len(data)) {
			return nil, malformed("variable "+name, "does not fit in "+KconfigMap)
		}
		value, ok, err := res.value(name, weak)
		switch {
		case err != nil && !opts.AllowUnresolved:
			return nil, err
		case !ok && !weak:
			missing = append(missing, name)
		case ok:
			if err := putKconfig(data[v.Offset:int(v.Offset)+size], v.Type.(*btf.Var).Type, value); err != nil {
				return nil, &Error{Where: "variable " + name, What: "value " + value, Err: err, Mend: "change the type it is declared with"}
			}
		}
	}
	if len(missing) > 0 && !opts.AllowUnresolved {
		return nil, unresolved(missing, res)
	}
	return &ebpf.MapSpec{
		Name: KconfigMap, Type: ebpf.Array, KeySize: 4, ValueSize: layout.Size, MaxEntries: 1,
		Flags: flagRdonlyProg, Key: &btf.Void{}, Value: layout,
		Contents: []ebpf.MapKV{{Key: uint32(0), Value: data}},
	}, nil
}

func unresolved(missing []string, res *resolver) error {
	slices.Sort(missing)
	e := &Error{
		Where: "variable " + strings.Join(missing, ", "),
		What:  "not set in the kernel's configuration",
		Mend:  "declare it __weak, or give its value",
	}
	if res.source != "" {
		e.What += " (" + res.source + ")"
	}
	return e
}

// resolver answers for variables; it reads the kernel's configuration at the
// first CONFIG_ variable that the options do not answer.
type resolver struct {
	opts    *Options
	read    bool
	config  map[string]string
	source  string
	readErr error
}

func (r *resolver) value(name string, weak bool) (string, bool, error) {
	if v, ok := r.opts.Kconfig[name]; ok {
		return v, true, nil
	}
	if strings.HasPrefix(name, "CONFIG_") {
		return r.configValue(name, weak)
	}
	if f, ok := virtualKconfig()[name]; ok {
		return fmt.Sprint(f(r.kernelVersion())), true, nil
	}
	if weak && strings.HasPrefix(name, "LINUX_") {
		return "", false, nil
	}
	return "", false, &Error{Where: "variable " + name, What: "not a kconfig variable that is known", Mend: "names begin with CONFIG_ or are LINUX_KERNEL_VERSION, LINUX_HAS_SYSCALL_WRAPPER or LINUX_HAS_BPF_COOKIE"}
}

func (r *resolver) configValue(name string, weak bool) (string, bool, error) {
	if !r.read {
		r.read = true
		r.config, r.source, r.readErr = systemKconfig()
	}
	if r.readErr != nil && !weak {
		return "", false, &Error{Where: "variable " + name, What: "the kernel's configuration is not readable", Err: r.readErr, Mend: "give the variable's value, or declare it __weak"}
	}
	v, ok := r.config[name]
	return v, ok, nil
}

func (r *resolver) kernelVersion() uint32 {
	if r.opts.KernelVersion != 0 {
		return r.opts.KernelVersion
	}
	return runningVersion()
}
