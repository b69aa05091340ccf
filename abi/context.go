package abi

// ContextOf returns the context structure of a program type, with the accesses
// that the verifier of Linux 6.18 allows. The attach type matters for cgroup
// sockets, socket addresses, socket options and XDP; give what the program is
// loaded with, 0 if it names none. arch ("amd64", "arm64", as in GOARCH) matters
// for probes and perf events.
//
// It returns nil for types whose context has no fixed layout: tracepoints (the
// event's own record, from offset 8 on), tracing, lsm and struct_ops (arguments
// of the function, as 64-bit words), syscall (what the caller passes) and ext
// (that of the target), and for types that do not exist.
//
// The result is shared: read it only.
func ContextOf(t ProgramType, at AttachType, arch string) *Struct {
	for i := range contexts {
		c := &contexts[i]
		if c.programs.Has(t) && (c.arch == "" || c.arch == arch) && attaches(c.attach, at) {
			return c.layout
		}
	}
	return nil
}

// StructOf returns a structure that programs reach through their context:
// "bpf_sock" and "bpf_tcp_sock". Fields may be loaded in the widths given; none
// may be stored.
func StructOf(name string) *Struct {
	switch name {
	case "bpf_sock":
		return sockStruct
	case "bpf_tcp_sock":
		return tcpSockStruct
	}
	return nil
}

// contextRow is one line of the table: which programs see which layout. The
// first row that fits counts.
type contextRow struct {
	programs ProgramSet
	attach   []AttachType // any if empty
	arch     string       // any if empty
	layout   *Struct
}

func attaches(list []AttachType, at AttachType) bool {
	if len(list) == 0 {
		return true
	}
	for _, a := range list {
		if a == at {
			return true
		}
	}
	return false
}

var (
	contexts      = makeContexts()
	sockStruct    = sockFields()
	tcpSockStruct = tcpSockFields()
)

func makeContexts() []contextRow {
	var out []contextRow
	for _, rows := range [][]contextRow{
		packetContexts(), socketContexts(), cgroupContexts(), traceContexts(),
	} {
		out = append(out, rows...)
	}
	return out
}

// Widths that recur.
const (
	no     Width = 0
	byte1  Width = 1
	word   Width = 4
	narrow Width = 1 | 2 | 4
	long   Width = 8
	wide   Width = 4 | 8
	anyOf  Width = 1 | 2 | 4 | 8
)

// grant allows accesses to the named fields.
func (s *Struct) grant(load, store Width, names ...string) *Struct {
	for _, name := range names {
		f := s.Field(name)
		f.Load, f.Store = load, store
	}
	return s
}

// grantAll allows the same loads everywhere.
func (s *Struct) grantAll(load Width) *Struct {
	for i := range s.Fields {
		s.Fields[i].Load = load
	}
	return s
}
