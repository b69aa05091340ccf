package object

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"maps"
	"strings"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/btf"
	"github.com/google/go-cmp/cmp"
)

func userKconfig() map[string]string {
	return map[string]string{
		"CONFIG_BOOL": "y", "CONFIG_TRISTATE": "m", "CONFIG_CHAR": "n", "CONFIG_SIGNED": "-5",
		"CONFIG_LARGE": "0x1122334455667788", "CONFIG_SHORT": "100", "CONFIG_STRING": `"abcdefghij"`,
	}
}

// TestKconfig: every type of variable ends up in the map, at the place that the
// map's type says.
func TestKconfig(t *testing.T) {
	spec, err := OpenFile("testdata/kconfig.bpf.o", &Options{Kconfig: userKconfig(), KernelVersion: 0x060c22})
	if err != nil {
		t.Fatal(err)
	}
	m := spec.Maps[KconfigMap]
	if m == nil || m.Type != ebpf.Array || m.MaxEntries != 1 || m.Flags != flagRdonlyProg || len(m.Contents) != 1 {
		t.Fatalf("map %+v", m)
	}
	data := m.Contents[0].Value.([]byte)
	if len(data) != int(m.ValueSize) {
		t.Fatalf("%d bytes in a map of %d", len(data), m.ValueSize)
	}
	got := make(map[string]any)
	for _, v := range m.Value.(*btf.Datasec).Vars {
		b := data[v.Offset:]
		size, err := btf.Sizeof(v.Type.(*btf.Var).Type)
		if err != nil {
			t.Fatal(err)
		}
		switch size {
		case 1:
			got[v.Type.TypeName()] = int(b[0])
		case 2:
			got[v.Type.TypeName()] = int(binary.NativeEndian.Uint16(b))
		case 4:
			got[v.Type.TypeName()] = int(int32(binary.NativeEndian.Uint32(b)))
		case 8:
			got[v.Type.TypeName()] = int(binary.NativeEndian.Uint64(b))
		}
		if v.Type.TypeName() == "CONFIG_STRING" {
			got["CONFIG_STRING"] = string(b[:8])
		}
	}
	want := map[string]any{
		"LINUX_KERNEL_VERSION": 0x060c22, "LINUX_HAS_BPF_COOKIE": 1, "LINUX_HAS_WHAT_IS_NOT_THERE": 0,
		"LINUX_HAS_SYSCALL_WRAPPER": int(virtualKconfig()["LINUX_HAS_SYSCALL_WRAPPER"](0x060c22)),
		"CONFIG_BOOL":               1, "CONFIG_TRISTATE": 2, "CONFIG_CHAR": int('n'), "CONFIG_SIGNED": -5,
		"CONFIG_LARGE": 0x1122334455667788, "CONFIG_SHORT": 100, "CONFIG_STRING": "abcdefg\x00", "CONFIG_ABSENT": 0,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for _, ins := range spec.Programs["read_kconfig"].Instructions {
		if ins.IsLoadFromMap() && ins.Reference() == "" {
			t.Errorf("%v refers to no map", ins)
		}
	}
}

func TestKconfigRefuses(t *testing.T) {
	for name, c := range map[string]struct{ variable, value, want string }{
		"missing":             {"CONFIG_SHORT", "", "CONFIG_SHORT"},
		"module in a bool":    {"CONFIG_BOOL", "m", "enum libbpf_tristate"},
		"number in a bool":    {"CONFIG_BOOL", "2", "does not fit in a bool"},
		"number in an enum":   {"CONFIG_TRISTATE", "1", "an integer takes it"},
		"large number":        {"CONFIG_SHORT", "65536", "not a number of 16 bits"},
		"negative number":     {"CONFIG_SHORT", "-1", "not a number of 16 bits"},
		"string in a number":  {"CONFIG_SHORT", `"x"`, "an array of char takes it"},
		"number in a string":  {"CONFIG_STRING", "7", "an integer takes it"},
		"unterminated string": {"CONFIG_STRING", `"x`, "no closing quote"},
		"letter in a number":  {"CONFIG_LARGE", "y", "bool, char and enum libbpf_tristate take it"},
	} {
		t.Run(name, func(t *testing.T) {
			config := maps.Clone(userKconfig())
			delete(config, c.variable)
			if c.value != "" {
				config[c.variable] = c.value
			}
			_, err := OpenFile("testdata/kconfig.bpf.o", &Options{Kconfig: config})
			var e *Error
			if !errors.As(err, &e) || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), c.variable) {
				t.Errorf("got %v, want an error with %s and %q", err, c.variable, c.want)
			}
			if c.value != "" {
				return
			}
			if _, err := OpenFile("testdata/kconfig.bpf.o", &Options{Kconfig: config, AllowUnresolved: true}); err != nil {
				t.Errorf("unresolved variables are allowed: %v", err)
			}
		})
	}
}

func TestParseKconfig(t *testing.T) {
	const text = "# comment\nCONFIG_A=y\n# CONFIG_B is not set\nCONFIG_C=\"a b\"\nCONFIG_A=n\n"
	var zipped bytes.Buffer
	zw := gzip.NewWriter(&zipped)
	zw.Write([]byte(text))
	zw.Close()
	want := map[string]string{"CONFIG_A": "y", "CONFIG_C": `"a b"`}
	for _, in := range []string{text, zipped.String()} {
		got, err := ParseKconfig(strings.NewReader(in))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	}
	for _, in := range []string{"CONFIG_A\n", "CONFIG_A=\n", "\x1f\x8bxx", strings.Repeat("#23456789\n", maxConfigSize/10+1)} {
		if got, err := ParseKconfig(strings.NewReader(in)); err == nil {
			t.Errorf("%.20q gave %v", in, got)
		}
	}
}

func TestParseVersion(t *testing.T) {
	for s, want := range map[string]uint32{
		"6.12.3-foo": 0x060c03, "5.4": 0x050400, "6.1.300": 0x0601ff, "4.19.0+\n": 0x041300, "6": 0, "x": 0, "": 0, "6.999.1": 0,
	} {
		if got, ok := parseVersion(s); ok != (want != 0) || ok && got != want {
			t.Errorf("%q: got %#x, %v; want %#x", s, got, ok, want)
		}
	}
	if v := runningVersion(); v < 3<<16 {
		t.Errorf("the running kernel is %#x", v)
	}
}

// TestExterns: what the reader forgets of kernel symbols stands beside the
// instructions.
func TestExterns(t *testing.T) {
	spec, err := OpenFile("testdata/ksyms.bpf.o", nil)
	if err != nil {
		t.Fatal(err)
	}
	got := make(map[Extern]int)
	for _, p := range spec.Programs {
		for i := range p.Instructions {
			if e, ok := ExternOf(&p.Instructions[i]); ok {
				got[e]++
			}
		}
	}
	want := map[Extern]int{{Name: "init_task", Weak: false}: 1, {Name: "of_no_kernel", Weak: true}: 1, {Name: "bpf_of_no_kernel", Weak: true}: 2, {Name: "bpf_cast_to_kern_ctx", Weak: false}: 1}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if _, ok := ExternOf(&asm.Instruction{}); ok {
		t.Error("an instruction refers to something by itself")
	}
}
