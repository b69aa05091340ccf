package enginetest

import (
	"encoding/binary"
	"fmt"
	"strconv"
	"strings"
)

// field is a place in a context struct, in bytes.
type field struct{ offset, size int }

// contextFields are the fields of struct xdp_md and struct __sk_buff that test
// runs read or write (Linux 6.18, include/uapi/linux/bpf.h).
func contextFields(kind string) (size int, fields map[string]field) {
	switch kind {
	case "xdp":
		return 24, map[string]field{
			"data": {0, 4}, "data_end": {4, 4}, "data_meta": {8, 4},
			"ingress_ifindex": {12, 4}, "rx_queue_index": {16, 4}, "egress_ifindex": {20, 4},
		}
	case "skb":
		return 192, map[string]field{
			"len": {0, 4}, "pkt_type": {4, 4}, "mark": {8, 4}, "queue_mapping": {12, 4},
			"protocol": {16, 4}, "vlan_present": {20, 4}, "vlan_tci": {24, 4}, "vlan_proto": {28, 4},
			"priority": {32, 4}, "ingress_ifindex": {36, 4}, "ifindex": {40, 4}, "tc_index": {44, 4},
			"cb0": {48, 4}, "cb1": {52, 4}, "cb2": {56, 4}, "cb3": {60, 4}, "cb4": {64, 4},
			"hash": {68, 4}, "tstamp": {152, 8}, "wire_len": {160, 4}, "gso_segs": {164, 4},
			"gso_size": {176, 4}, "hwtstamp": {184, 8},
		}
	}
	return 0, nil
}

// parseContext reads KIND FIELD=N…. set names the fields that were given.
func parseContext(words []string) (raw []byte, set map[string]field, err error) {
	if len(words) == 0 {
		return nil, nil, nil
	}
	size, fields := contextFields(words[0])
	if size == 0 {
		return nil, nil, fmt.Errorf("context %s: want xdp or skb", words[0])
	}
	raw, set = make([]byte, size), map[string]field{}
	for _, w := range words[1:] {
		name, num, ok := strings.Cut(w, "=")
		f, known := fields[name]
		if !ok || !known {
			return nil, nil, fmt.Errorf("context %s: no field %s", words[0], name)
		}
		n, err := strconv.ParseUint(num, 0, f.size*8)
		if err != nil {
			return nil, nil, fmt.Errorf("context %s: %w", w, err)
		}
		f.put(raw, n)
		set[name] = f
	}
	return raw, set, nil
}

func (f field) put(raw []byte, n uint64) {
	if f.size == 8 {
		binary.NativeEndian.PutUint64(raw[f.offset:], n)
		return
	}
	binary.NativeEndian.PutUint32(raw[f.offset:], uint32(n))
}

func (f field) get(raw []byte) uint64 {
	if f.size == 8 {
		return binary.NativeEndian.Uint64(raw[f.offset:])
	}
	return uint64(binary.NativeEndian.Uint32(raw[f.offset:]))
}
