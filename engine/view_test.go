package engine

import (
	"strings"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/btf"
)

func TestViewRefusesPointers(t *testing.T) {
	m := newMemMap()
	for what, err := range map[string]error{
		"a pointer": second(NewView[uint32, *int](m)),
		"a channel": second(NewView[uint32, struct{ C chan int }](m)),
		"a map":     second(NewView[uint32, [1]map[int]int](m)),
	} {
		if err == nil || !strings.Contains(err.Error(), "no plain memory") {
			t.Errorf("%s: %v", what, err)
		}
	}
	m.info.ValueBytes = 16
	if _, err := NewView[uint32, string](m); err == nil || !strings.Contains(err.Error(), "string is a string, which is no plain memory") {
		t.Errorf("a string: %v", err)
	}
}

func second[T any](_ T, err error) error { return err }

// A map's BTF says where its fields are; a Go type that sees others is refused.
func TestViewComparesTypes(t *testing.T) {
	u16 := &btf.Int{Name: "u16", Size: 2}
	u32 := &btf.Int{Name: "u32", Size: 4}
	char := &btf.Int{Name: "char", Size: 1, Encoding: btf.Char}
	m := newMemMap()
	m.info.ValueBytes = 16
	m.info.Value = &btf.Typedef{Name: "flow", Type: &btf.Struct{Name: "flow", Size: 16, Members: []btf.Member{
		{Name: "ports", Type: &btf.Array{Type: u16, Nelems: 2}, Offset: 0},
		{Name: "bytes", Type: u32, Offset: 32},
		{Name: "either", Type: &btf.Union{Size: 4, Members: []btf.Member{{Type: u32}}}, Offset: 64},
		{Name: "name", Type: &btf.Array{Type: char, Nelems: 4}, Offset: 96},
	}}}
	for what, err := range map[string]error{
		"the same": second(NewView[uint32, struct {
			A, B uint16
			C, D uint32
			N    [4]byte
		}](m)),
		"an array": second(NewView[uint32, struct {
			P [2]int16
			C int32
			D [2]uint16
			N uint32
		}](m)),
		"bytes": second(NewView[uint32, [16]byte](m)),
		"a gap": second(NewView[uint32, struct {
			_ [4]byte
			C float32
			_ [8]byte
		}](m)),
	} {
		if err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
	for want, err := range map[string]error{
		"P is 4 bytes at 0, and ports of the object's type is 2 bytes at 0": second(NewView[uint32, struct{ P, C, D, N uint32 }](m)),
		"Q[0] is 2 bytes at 6, and bytes of the object's type is 4 bytes at 4": second(NewView[uint32, struct {
			P uint16
			_ uint16
			_ uint16
			Q [5]uint16
		}](m)),
	} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v\nwant %s", err, want)
		}
	}
}

func TestPerCPUViewRefusesOthers(t *testing.T) {
	m := newMemMap()
	if _, err := NewPerCPU[uint32, uint64](m); err == nil || !strings.Contains(err.Error(), "one value for all CPUs") {
		t.Errorf("a hash: %v", err)
	}
	m.info.Type, m.info.ValueSize, m.info.ValueBytes = ebpf.PerCPUArray, 4, 32
	v, err := NewPerCPU[uint32, uint32](m)
	if err != nil || v.CPUs() != 4 {
		t.Fatalf("%d CPUs, %v", v.CPUs(), err)
	}
	if err := v.Put(1, []uint32{1, 2, 3}); err == nil || !strings.Contains(err.Error(), "3 values for 4 CPUs") {
		t.Errorf("too few values: %v", err)
	}
	if err := v.Put(1, []uint32{1, 2, 3, 4}); err != nil {
		t.Fatal(err)
	}
	if got, err := v.Get(1, nil); err != nil || len(got) != 4 || got[3] != 4 {
		t.Errorf("%v, %v", got, err)
	}
	for k, vals := range v.All(&err) {
		if k != 1 || len(vals) != 4 || vals[0] != 1 {
			t.Errorf("%d: %v", k, vals)
		}
	}
	if err != nil {
		t.Error(err)
	}
}
