package abi_test

import (
	"testing"

	"github.com/cilium/ebpf/btf"

	"github.com/skepdev/skep/abi"
)

// contextCases are the contexts that can be asked for, with an attach type each.
var contextCases = []struct {
	typ    abi.ProgramType
	attach abi.AttachType
	name   string
}{
	{abi.ProgXDP, abi.AttachXDP, "xdp_md"},
	{abi.ProgXDP, abi.AttachXDPDevMap, "xdp_md"},
	{abi.ProgSocketFilter, 0, "__sk_buff"},
	{abi.ProgSchedCLS, 0, "__sk_buff"},
	{abi.ProgSchedACT, 0, "__sk_buff"},
	{abi.ProgCgroupSKB, abi.AttachCgroupInetIngress, "__sk_buff"},
	{abi.ProgCgroupSKB, abi.AttachCgroupInetEgress, "__sk_buff"},
	{abi.ProgLWTIn, 0, "__sk_buff"},
	{abi.ProgLWTXmit, 0, "__sk_buff"},
	{abi.ProgLWTSeg6local, 0, "__sk_buff"},
	{abi.ProgSkSKB, 0, "__sk_buff"},
	{abi.ProgFlowDissector, 0, "__sk_buff"},
	{abi.ProgSockOps, abi.AttachCgroupSockOps, "bpf_sock_ops"},
	{abi.ProgSkMsg, 0, "sk_msg_md"},
	{abi.ProgSkReuseport, 0, "sk_reuseport_md"},
	{abi.ProgSkLookup, abi.AttachSkLookup, "bpf_sk_lookup"},
	{abi.ProgCgroupDevice, abi.AttachCgroupDevice, "bpf_cgroup_dev_ctx"},
	{abi.ProgCgroupSysctl, abi.AttachCgroupSysctl, "bpf_sysctl"},
	{abi.ProgCgroupSockopt, abi.AttachCgroupGetsockopt, "bpf_sockopt"},
	{abi.ProgCgroupSockopt, abi.AttachCgroupSetsockopt, "bpf_sockopt"},
	{abi.ProgNetfilter, abi.AttachNetfilter, "bpf_nf_ctx"},
	{abi.ProgRawTracepoint, 0, "bpf_raw_tracepoint_args"},
	{abi.ProgRawTracepointWritable, 0, "bpf_raw_tracepoint_args"},
	{abi.ProgKprobe, 0, "pt_regs"},
	{abi.ProgPerfEvent, 0, "bpf_perf_event_data"},
	{abi.ProgCgroupSock, abi.AttachCgroupInetSockCreate, "bpf_sock"},
	{abi.ProgCgroupSock, abi.AttachCgroupInetSockRelease, "bpf_sock"},
	{abi.ProgCgroupSock, abi.AttachCgroupInet4PostBind, "bpf_sock"},
	{abi.ProgCgroupSock, abi.AttachCgroupInet6PostBind, "bpf_sock"},
	{abi.ProgCgroupSockAddr, abi.AttachCgroupInet4Bind, "bpf_sock_addr"},
	{abi.ProgCgroupSockAddr, abi.AttachCgroupInet6Connect, "bpf_sock_addr"},
	{abi.ProgCgroupSockAddr, abi.AttachCgroupUDP4Sendmsg, "bpf_sock_addr"},
	{abi.ProgCgroupSockAddr, abi.AttachCgroupUDP6Sendmsg, "bpf_sock_addr"},
	{abi.ProgCgroupSockAddr, abi.AttachCgroupUDP4Recvmsg, "bpf_sock_addr"},
	{abi.ProgCgroupSockAddr, abi.AttachCgroupInet6Getsockname, "bpf_sock_addr"},
	{abi.ProgCgroupSockAddr, abi.AttachCgroupUnixSendmsg, "bpf_sock_addr"},
}

func TestContextOf(t *testing.T) {
	for _, c := range contextCases {
		s := abi.ContextOf(c.typ, c.attach, "amd64")
		if s == nil || s.Name != c.name {
			t.Errorf("%v, %v: got %+v, want %s", c.typ, c.attach, s, c.name)
			continue
		}
		readable := false
		for i, f := range s.Fields {
			if f.Offset+f.Size > s.Size || f.Count == 0 || f.Offset%(f.Size/f.Count) != 0 {
				t.Errorf("%s.%s: %+v in %d bytes", s.Name, f.Name, f, s.Size)
			}
			if i > 0 && f.Offset < s.Fields[i-1].Offset {
				t.Errorf("%s.%s stands before the field before it", s.Name, f.Name)
			}
			readable = readable || f.Load != 0
		}
		if !readable {
			t.Errorf("%v, %v: nothing of %s can be read", c.typ, c.attach, s.Name)
		}
	}
	for _, typ := range []abi.ProgramType{abi.ProgTracepoint, abi.ProgTracing, abi.ProgSyscall, abi.ProgExtension, 0, 99} {
		if s := abi.ContextOf(typ, 0, "amd64"); s != nil {
			t.Errorf("%v has the context %s", typ, s.Name)
		}
	}
	if s := abi.ContextOf(abi.ProgKprobe, 0, "arm64"); s == nil || s.Size != 272 || s.Field("pc").Offset != 256 {
		t.Errorf("arm64 registers: %+v", s)
	}
}

func TestStructAt(t *testing.T) {
	s := abi.ContextOf(abi.ProgSchedCLS, 0, "amd64")
	for _, c := range []struct {
		off, size uint32
		want      string
	}{{0, 4, "len"}, {52, 4, "cb"}, {60, 8, "cb"}, {76, 4, "data"}, {152, 8, "tstamp"}, {180, 1, "tstamp_type"}} {
		if f := s.At(c.off, c.size); f == nil || f.Name != c.want {
			t.Errorf("at %d: %+v, want %s", c.off, f, c.want)
		}
	}
	for _, c := range [][2]uint32{{64, 8}, {181, 1}, {192, 4}, {1 << 31, 4}, {0xfffffffc, 8}} {
		if f := s.At(c[0], c[1]); f != nil {
			t.Errorf("at %d+%d: %s", c[0], c[1], f.Name)
		}
	}
	if f := s.Field("data"); f.Kind != abi.FieldPacketData || !f.Load.Has(4) || f.Load.Has(8) || f.Store != 0 {
		t.Errorf("%+v", f)
	}
	if abi.Width(15).Has(3) || abi.Width(15).Has(0) || abi.Width(15).Has(16) || !abi.Width(8).Has(8) {
		t.Error("widths are not powers of two")
	}
}

// The kernel's own types must agree on where the fields are.
func TestLayoutsOfTheKernel(t *testing.T) {
	spec, err := btf.LoadKernelSpec()
	if err != nil {
		t.Skipf("needs the kernel's types: %v", err)
	}
	seen := map[string]bool{}
	for _, c := range contextCases {
		s := abi.ContextOf(c.typ, c.attach, "amd64")
		if s == nil || seen[s.Name] || s.Name == "pt_regs" || s.Name == "bpf_perf_event_data" || s.Name == "bpf_raw_tracepoint_args" {
			continue
		}
		seen[s.Name] = true
		compareLayout(t, spec, s)
	}
	compareLayout(t, spec, abi.StructOf("bpf_tcp_sock"))
	if len(seen) < 10 {
		t.Errorf("only %d structures compared", len(seen))
	}
}

func compareLayout(t *testing.T, spec *btf.Spec, s *abi.Struct) {
	t.Helper()
	var theirs *btf.Struct
	if err := spec.TypeByName(s.Name, &theirs); err != nil {
		t.Logf("this kernel keeps no type %s: %v", s.Name, err)
		return
	}
	if theirs.Size < s.Size {
		t.Errorf("%s has %d bytes here, %d in the kernel", s.Name, s.Size, theirs.Size)
	}
	offsets := map[string]uint32{}
	collect(theirs.Members, 0, offsets)
	for _, f := range s.Fields {
		if off, ok := offsets[f.Name]; !ok || off != f.Offset {
			t.Errorf("%s.%s stands at %d here, at %d (%v) in the kernel", s.Name, f.Name, f.Offset, off, ok)
		}
	}
}

// collect gathers the offsets of named members, through unnamed unions.
func collect(members []btf.Member, base uint32, out map[string]uint32) {
	for _, m := range members {
		off := base + m.Offset.Bytes()
		if m.Name != "" {
			out[m.Name] = off
			continue
		}
		switch t := btf.UnderlyingType(m.Type).(type) {
		case *btf.Union:
			collect(t.Members, off, out)
		case *btf.Struct:
			collect(t.Members, off, out)
		}
	}
}
