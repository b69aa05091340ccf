package check

import (
	"strings"

	"github.com/cilium/ebpf/btf"

	"github.com/skepdev/skep/abi"
)

// writableFields are the members of the kernel's structures that programs may
// write (btf_struct_access of net/ipv4/bpf_tcp_ca.c, nf_conntrack_bpf.c,
// kernel/sched/ext.c; Linux 6.18). Members of structures within are joined by
// dots.
var (
	tcpFields = []string{
		"inet_conn.icsk_inet.sk.sk_pacing_rate", "inet_conn.icsk_inet.sk.sk_pacing_status", "inet_conn.icsk_ca_priv",
		"inet_conn.icsk_ack.pending", "snd_cwnd", "snd_cwnd_cnt", "snd_cwnd_stamp", "snd_ssthresh", "ecn_flags", "app_limited",
	}
	conntrackFields = []string{"mark"}
	schedExtFields  = []string{"scx.slice", "scx.dsq_vtime", "scx.disallow"}
)

// structWritable reports whether a program of this type may write [off, off+size)
// of a structure of the kernel's.
func (c *Checker) structWritable(t btf.Type, off, size int) bool {
	ops, _, _ := strings.Cut(c.prog.AttachTo, ":")
	ops = flavorless(ops)
	name := t.TypeName()
	switch {
	case c.prog.Type == abi.ProgStructOps && ops == "tcp_congestion_ops" && name == "tcp_sock":
		return inFields(t, tcpFields, off, size)
	case c.prog.Type == abi.ProgStructOps && ops == "sched_ext_ops" && name == "task_struct":
		return inFields(t, schedExtFields, off, size)
	case c.prog.Type == abi.ProgStructOps && ops == "bpf_dummy_ops" && name == "bpf_dummy_ops_state":
		total, ok := sizeOf(t)
		return ok && off >= 0 && off+size <= int(total)
	case c.prog.Type == abi.ProgSchedCLS || c.prog.Type == abi.ProgSchedACT || c.prog.Type == abi.ProgXDP:
		if name != "nf_conn" && name != "nf_conn___init" {
			return false
		}
		// The strict twin has the members of nf_conn.
		return c.conntrackWritable(off, size)
	}
	return false
}

func (c *Checker) conntrackWritable(off, size int) bool {
	h := c.types.kernelStruct("nf_conn")
	return h != 0 && inFields(c.types.at(h).t, conntrackFields, off, size)
}

func inFields(t btf.Type, fields []string, off, size int) bool {
	for _, f := range fields {
		if start, n, ok := memberAt(t, f); ok && off >= start && off+size <= start+n {
			return true
		}
	}
	return false
}

// memberAt is the place of a member given as "a.b.c", in bytes.
func memberAt(t btf.Type, path string) (off, size int, ok bool) {
	name, rest, more := strings.Cut(path, ".")
	mem, _, _ := members(plain(t))
	for i := range mem {
		m := &mem[i]
		start := int(m.Offset.Bytes())
		switch {
		case m.Name == "" && isStruct(plain(m.Type)):
			if o, n, ok := memberAt(m.Type, path); ok {
				return start + o, n, true
			}
		case m.Name != name:
		case more:
			o, n, ok := memberAt(m.Type, rest)
			return start + o, n, ok
		case m.BitfieldSize != 0:
			return start, int(m.Offset+m.BitfieldSize+7)/8 - start, true
		default:
			n, ok := sizeOf(m.Type)
			return start, int(n), ok
		}
	}
	return 0, 0, false
}
