package bpf

import (
	"encoding/binary"
	"reflect"
	"strings"
	"testing"

	"github.com/cilium/ebpf/btf"
)

// The layouts that C and Go share: what BTF says of the C side is compared field
// by field, in order.
var lbStructs = map[string]any{
	"lb_config":        LBConfig{},
	"lb_frontend4_key": LBFrontend4Key{},
	"lb_frontend6_key": LBFrontend6Key{},
	"lb_frontend":      LBFrontend{},
	"lb_backend":       LBBackend{},
	"lb_counters":      LBCounters{},
	"lb_source_key":    LBSourceKey{},
	"lb_quic_key":      LBQUICKey{},
	"lb_affinity_key":  LBAffinityKey{},
	"lb_affinity":      LBAffinityValue{},
	"lb_nat_in_key":    LBNATInKey{},
	"lb_nat_in":        LBNATIn{},
}

func TestLoadBalancerLayoutsAgreeWithC(t *testing.T) {
	spec, err := LoadBalancer(LBSize{})
	if err != nil {
		t.Fatal(err)
	}
	agree(t, spec.Types, lbStructs)
}

func TestProfilerLayoutsAgreeWithC(t *testing.T) {
	spec, err := Profiler()
	if err != nil {
		t.Fatal(err)
	}
	agree(t, spec.Types, map[string]any{
		"prof_config": ProfConfig{}, "prof_key": ProfKey{}, "prof_value": ProfValue{}, "prof_stats": ProfStats{},
		"prof_mapping": ProfMapping{}, "prof_process": ProfProcess{}, "prof_wait": ProfWait{},
	})
}

// structs are those of the packet-of-death filter.
var structs = map[string]any{
	"pod_config":   DeathConfig{},
	"pod_rule":     DeathRule{},
	"pod_counters": DeathCounters{},
	"pod_totals":   DeathTotals{},
}

func podTypes(t *testing.T) *btf.Spec {
	t.Helper()
	spec, err := PacketOfDeath()
	if err != nil {
		t.Fatal(err)
	}
	return spec.Types
}

func cStruct(t *testing.T, types *btf.Spec, name string) *btf.Struct {
	t.Helper()
	var s *btf.Struct
	if err := types.TypeByName(name, &s); err != nil {
		t.Fatal(err)
	}
	return s
}

func TestLayoutsAgreeWithC(t *testing.T) {
	agree(t, podTypes(t), structs)
}

func agree(t *testing.T, types *btf.Spec, structs map[string]any) {
	t.Helper()
	for name, g := range structs {
		c := cStruct(t, types, name)
		gt := reflect.TypeOf(g)
		if int(c.Size) != binary.Size(g) || gt.Size() != uintptr(c.Size) {
			t.Errorf("%s: C has %d bytes, Go %d", name, c.Size, gt.Size())
		}
		if len(c.Members) != gt.NumField() {
			t.Errorf("%s: C has %d members, Go %d", name, len(c.Members), gt.NumField())
			continue
		}
		for i, m := range c.Members {
			f := gt.Field(i)
			size, err := btf.Sizeof(m.Type)
			if err != nil {
				t.Fatal(err)
			}
			if !strings.EqualFold(strings.ReplaceAll(m.Name, "_", ""), f.Name) {
				t.Errorf("%s: member %d is %s in C, %s in Go", name, i, m.Name, f.Name)
			}
			if uintptr(m.Offset.Bytes()) != f.Offset || uintptr(size) != f.Type.Size() {
				t.Errorf("%s.%s: C has %d bytes at %d, Go %d at %d", name, m.Name, size, m.Offset.Bytes(), f.Type.Size(), f.Offset)
			}
		}
	}
}

// Every field of an event is decoded from where BTF says that it stands.
func TestEventLayoutAgreesWithC(t *testing.T) {
	c := cStruct(t, podTypes(t), "pod_event")
	if c.Size != DeathEventSize {
		t.Fatalf("struct pod_event has %d bytes, DeathEventSize is %d", c.Size, DeathEventSize)
	}
	fields := map[string]string{
		"time": "Time", "source": "Source", "destination": "Destination", "ifindex": "Interface",
		"length": "Length", "source_port": "SourcePort", "destination_port": "DestinationPort",
		"icmp_id": "ICMPID", "icmp_sequence": "ICMPSequence", "vlan": "VLAN", "rule": "Rule",
		"verdict": "Verdict", "hook": "Hook", "family": "Family", "protocol": "Protocol",
		"icmp_type": "ICMPType", "icmp_code": "ICMPCode", "flags": "Fragment", "reserved": "", "cpu": "CPU",
	}
	family := make([]byte, DeathEventSize)
	for _, m := range c.Members {
		if m.Name == "family" {
			family[m.Offset.Bytes()] = 6 // or addresses are left out
		}
	}
	zero, err := DecodeDeathEvent(family)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range c.Members {
		field, known := fields[m.Name]
		if !known {
			t.Errorf("member %s is not known here", m.Name)
			continue
		}
		size, err := btf.Sizeof(m.Type)
		if err != nil {
			t.Fatal(err)
		}
		for i := range size {
			if m.Name == "flags" && i > 0 {
				continue
			}
			raw := append([]byte(nil), family...)
			raw[int(m.Offset.Bytes())+i] ^= 4
			e, err := DecodeDeathEvent(raw)
			if err != nil {
				t.Fatal(err)
			}
			for _, f := range reflect.VisibleFields(reflect.TypeFor[DeathEvent]()) {
				same := reflect.ValueOf(e).FieldByIndex(f.Index).Interface() == reflect.ValueOf(zero).FieldByIndex(f.Index).Interface()
				if same == (f.Name == field) {
					t.Errorf("byte %d of %s: field %s changed: %v", i, m.Name, f.Name, !same)
				}
			}
		}
	}
}

func TestDecodeEventWantsItsSize(t *testing.T) {
	for _, n := range []int{0, 1, DeathEventSize - 1, DeathEventSize + 1} {
		if _, err := DecodeDeathEvent(make([]byte, n)); err == nil {
			t.Errorf("%d bytes decoded", n)
		}
	}
}

func TestDecodeEventDoesNotAllocate(t *testing.T) {
	raw := make([]byte, DeathEventSize)
	raw[62] = 4
	if n := testing.AllocsPerRun(100, func() { _, _ = DecodeDeathEvent(raw) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func FuzzDecodeDeathEvent(f *testing.F) {
	f.Add(make([]byte, DeathEventSize))
	f.Add([]byte("short"))
	f.Fuzz(func(t *testing.T, data []byte) {
		e, err := DecodeDeathEvent(data)
		if (err == nil) != (len(data) == DeathEventSize) {
			t.Fatalf("%d bytes: %v", len(data), err)
		}
		if err == nil && e.Source.IsValid() != (e.Family != 0) {
			t.Fatalf("family %d with source %v", e.Family, e.Source)
		}
	})
}

// What bpf(2) gives programs has the kernel's layout: sizes and the offsets
// where a slip would show.
func TestContextsHaveTheKernelsLayout(t *testing.T) {
	types := podTypes(t)
	for name, want := range map[string]struct {
		size    uint32
		offsets map[string]uint32
	}{
		"xdp_md":    {24, map[string]uint32{"data_end": 4, "ingress_ifindex": 12, "egress_ifindex": 20}},
		"__sk_buff": {192, map[string]uint32{"cb": 48, "data": 76, "data_meta": 140, "flow_keys": 144, "gso_segs": 164, "sk": 168, "gso_size": 176, "hwtstamp": 184}},
	} {
		c := cStruct(t, types, name)
		if c.Size != want.size {
			t.Errorf("%s has %d bytes, want %d", name, c.Size, want.size)
		}
		found := 0
		for _, m := range c.Members {
			if o, ok := want.offsets[m.Name]; ok {
				found++
				if m.Offset.Bytes() != o {
					t.Errorf("%s.%s at %d, want %d", name, m.Name, m.Offset.Bytes(), o)
				}
			}
		}
		if found != len(want.offsets) {
			t.Errorf("%s: %d of %d members found", name, found, len(want.offsets))
		}
	}
}
