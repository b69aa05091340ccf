package vm

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"os"
	"strings"
	"testing"

	"github.com/skepdev/skep/abi"
	"github.com/skepdev/skep/isa"
)

// A helperCase is a program that runs on both engines: return value, packet and
// context must be the same. Calls are written with their arguments.
type helperCase struct {
	name string
	typ  abi.ProgramType
	code string
	data []byte
}

// call writes a call of helper id with the given arguments; "ctx" is the
// context, kept in r6.
func call(id abi.HelperID, args ...string) string {
	var b strings.Builder
	for i, a := range args {
		r := fmt.Sprintf("r%d", i+1)
		switch {
		case a == "ctx":
			fmt.Fprintf(&b, "%s = r6\n", r)
		case strings.HasPrefix(a, "fp"):
			fmt.Fprintf(&b, "%s = r10\n%s += %s\n", r, r, a[2:])
		case strings.HasPrefix(a, "0x") || len(a) > 9:
			fmt.Fprintf(&b, "%s = %s ll\n", r, a)
		default:
			fmt.Fprintf(&b, "%s = %s\n", r, a)
		}
	}
	fmt.Fprintf(&b, "call helper#%d\n", id)
	return b.String()
}

// fill writes 64 bytes at the frame's bottom half.
const fill = `
	r2 = 0x1122334455667788 ll
	*(u64 *)(r10 -64) = r2
	r2 = 0x99aabbccddeeff00 ll
	*(u64 *)(r10 -56) = r2
	*(u64 *)(r10 -48) = r2
	*(u64 *)(r10 -40) = r2
	*(u64 *)(r10 -32) = 0
	*(u64 *)(r10 -24) = 0
	*(u64 *)(r10 -16) = 0
	*(u64 *)(r10 -8) = 0
`

// ipv6Frame is a TCP packet over IPv6 of 80 bytes.
func ipv6Frame() []byte {
	f := make([]byte, 80)
	copy(f, []byte{0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 2, 0x86, 0xdd})
	copy(f[14:], []byte{0x60, 0x20, 0, 0, 0, 26, 6, 64})
	for i := range 32 {
		f[22+i] = byte(0x20 + i)
	}
	copy(f[54:], []byte{0x12, 0x34, 0, 80})
	return f
}

func vlanFrame(tags ...uint16) []byte {
	f := frame()
	out := append([]byte(nil), f[:12]...)
	for _, tci := range tags {
		out = binary.BigEndian.AppendUint16(out, 0x8100)
		out = binary.BigEndian.AppendUint16(out, tci)
	}
	return append(out, f[12:]...)
}

func ecnFrame(ecn byte) []byte {
	f := frame()
	f[15] |= ecn
	return f
}

func helperCases() []helperCase {
	var cases []helperCase
	add := func(typ abi.ProgramType, name, code string, data []byte) {
		cases = append(cases, helperCase{name: name, typ: typ, code: code, data: data})
	}
	sprint := fmt.Sprint
	for _, d := range []int{-256, -217, -216, -215, -40, -1, 0, 1, 14, 49, 50, 51, 200} {
		add(abi.ProgXDP, sprint("adjust_head ", d), call(abi.FnXdpAdjustHead, "ctx", sprint(d)), frame())
	}
	for _, d := range []int{-100, -51, -50, -49, -1, 0, 1, 100, 3456, 3457, 4000} {
		add(abi.ProgXDP, sprint("adjust_tail ", d), call(abi.FnXdpAdjustTail, "ctx", sprint(d)), frame())
	}
	for _, d := range []int{-300, -256, -252, -220, -216, -212, -8, -4, -3, 0, 4} {
		add(abi.ProgXDP, sprint("adjust_meta ", d), call(abi.FnXdpAdjustMeta, "ctx", sprint(d)), frame())
		add(abi.ProgXDP, sprint("adjust_meta and head ", d), call(abi.FnXdpAdjustMeta, "ctx", sprint(d))+call(abi.FnXdpAdjustHead, "ctx", "-16"), frame())
		add(abi.ProgXDP, sprint("adjust_head and meta ", d), call(abi.FnXdpAdjustHead, "ctx", "-16")+call(abi.FnXdpAdjustMeta, "ctx", sprint(d)), frame())
	}
	big := make([]byte, 9000)
	copy(big, frame())
	for i := 64; i < len(big); i++ {
		big[i] = byte(i)
	}
	for _, d := range []int{-8990, -8986, -6000, -5000, -1, 1, 100, 3000, 4096} {
		add(abi.ProgXDP, sprint("adjust_tail of fragments ", d), call(abi.FnXdpAdjustTail, "ctx", sprint(d)), big)
	}
	for _, at := range []string{"0", "12", "56", "57", "63", "64", "70000"} {
		add(abi.ProgXDP, "load_bytes "+at, call(abi.FnXdpLoadBytes, "ctx", at, "fp-64", "8")+foldStack, frame())
		add(abi.ProgXDP, "store_bytes "+at, call(abi.FnXdpStoreBytes, "ctx", at, "fp-64", "8"), frame())
	}
	add(abi.ProgXDP, "load_bytes over fragments", call(abi.FnXdpLoadBytes, "ctx", "3515", "fp-64", "16")+foldStack, big)
	add(abi.ProgXDP, "store_bytes over fragments", call(abi.FnXdpStoreBytes, "ctx", "3515", "fp-64", "16"), big)
	add(abi.ProgXDP, "get_buff_len", call(abi.FnXdpGetBuffLen, "ctx"), big)
	add(abi.ProgXDP, "redirect", call(abi.FnRedirect, "1", "0"), frame())
	add(abi.ProgXDP, "redirect with flags", call(abi.FnRedirect, "1", "1"), frame())
	for _, n := range [][2]string{{"0", "8"}, {"8", "0"}, {"8", "8"}, {"8", "16"}, {"16", "32"}, {"4", "4"}} {
		for _, seed := range []string{"0", "1", "0xffffffff", "0x12345678"} {
			add(abi.ProgXDP, fmt.Sprint("csum_diff ", n, seed), call(abi.FnCsumDiff, "fp-64", n[0], "fp-48", n[1], seed), frame())
		}
	}
	for _, s := range []string{"42", "-17", " 99x", "0x1f", "077", "-", "", "9223372036854775808", "-9223372036854775808", "zz"} {
		for _, base := range []string{"0", "8", "10", "16", "7"} {
			for _, id := range []abi.HelperID{abi.FnStrtol, abi.FnStrtoul} {
				text := storeText(-40, s)
				add(abi.ProgSchedCLS, fmt.Sprintf("%s %q base %s", id, s, base),
					text+call(id, "fp-40", sprint(max(len(s), 1)), base, "fp-8")+"r1 = *(u64 *)(r10 -8)\nr0 ^= r1\nr1 >>= 32\nr0 ^= r1\n", frame())
			}
		}
	}
	cases = append(cases, skbCases()...)
	return cases
}

// foldStack mixes what helpers wrote to the stack into the result.
const foldStack = `
	r1 = *(u64 *)(r10 -64)
	r0 *= 31
	r0 ^= r1
	r1 = *(u64 *)(r10 -56)
	r0 *= 31
	r0 ^= r1
	r1 = r0
	r1 >>= 32
	r0 ^= r1
`

// storeText writes s and zeroes to the stack from offset at on, 32 bytes.
func storeText(at int, s string) string {
	b := make([]byte, 32)
	copy(b, s)
	var out string
	for i := range 4 {
		out += fmt.Sprintf("r2 = %#x ll\n*(u64 *)(r10 %d) = r2\n", binary.NativeEndian.Uint64(b[8*i:]), at+8*i)
	}
	return out
}

func skbCases() []helperCase {
	var cases []helperCase
	frames := map[string][]byte{"ipv4": frame(), "ipv6": ipv6Frame(), "vlan": vlanFrame(100), "qinq": vlanFrame(100, 200), "arp": append(append([]byte{}, frame()[:12]...), append([]byte{8, 6}, frame()[14:]...)...)}
	add := func(name, code string, only ...string) {
		for kind, f := range frames {
			if len(only) == 0 || strings.Contains(strings.Join(only, " "), kind) {
				cases = append(cases, helperCase{name: name + " on " + kind, typ: abi.ProgSchedCLS, code: code, data: f})
			}
		}
	}
	show := "r1 = *(u32 *)(r6 +0)\nr0 *= 31\nr0 += r1\nr1 = *(u32 *)(r6 +16)\nr0 *= 31\nr0 += r1\nr1 = *(u32 *)(r6 +20)\nr0 *= 31\nr0 += r1\nr1 = *(u32 *)(r6 +24)\nr0 *= 31\nr0 += r1\nr1 = *(u32 *)(r6 +28)\nr0 *= 31\nr0 += r1\n"
	push := call(abi.FnSkbVlanPush, "ctx", "129", "77")
	pushAD := call(abi.FnSkbVlanPush, "ctx", "43144", "78")
	pop := call(abi.FnSkbVlanPop, "ctx")
	add("vlan push", push+show)
	add("vlan push ad", pushAD+show)
	add("vlan push twice", push+pushAD+show)
	add("vlan push thrice", push+pushAD+push+show)
	add("vlan push, pop", push+pop+show)
	add("vlan push twice, pop", push+pushAD+pop+show)
	add("vlan pop", pop+show)
	add("vlan pop twice", pop+pop+show)
	for _, proto := range []string{"8", "56710", "1"} { // be16 of IP, IPv6, other
		add("change_proto "+proto, call(abi.FnSkbChangeProto, "ctx", proto, "0")+show)
	}
	for _, typ := range []string{"0", "1", "2", "3", "4"} {
		add("change_type "+typ, call(abi.FnSkbChangeType, "ctx", typ)+"r1 = *(u32 *)(r6 +4)\nr0 += r1\n", "ipv4", "ipv6")
	}
	for _, n := range []string{"0", "13", "14", "15", "34", "64", "65", "100", "5000", "16064", "16065", "65549", "65551"} {
		add("change_tail "+n, call(abi.FnSkbChangeTail, "ctx", n, "0")+show, "ipv4", "vlan")
	}
	for _, n := range []string{"0", "1", "14", "100", "300", "5000", "16000", "16001"} {
		add("change_head "+n, call(abi.FnSkbChangeHead, "ctx", n, "0")+show, "ipv4", "ipv6")
	}
	for _, diff := range []string{"-100", "-50", "-31", "-30", "-20", "-14", "-4", "0", "4", "8", "20", "28", "40", "100", "4095", "4096"} {
		for _, mode := range []string{"0", "1", "2"} {
			for _, flags := range []int{0, 1, 2, 4, 6, 2 | 8, 4 | 16, 2 | 8 | 16, 32, 64 | 2, 128, 256, 128 | 256, 512} {
				add(fmt.Sprintf("adjust_room %s, mode %s, flags %#x", diff, mode, flags), call(abi.FnSkbAdjustRoom, "ctx", diff, mode, fmt.Sprint(flags))+show, "ipv4", "ipv6")
			}
		}
	}
	for _, inner := range []string{"0x0e00000000000042", "0x0d00000000000042", "0x1000000000000002", "0xff00000000000002"} {
		add("adjust_room encap l2 "+inner, call(abi.FnSkbAdjustRoom, "ctx", "50", "1", inner)+show, "ipv4", "ipv6")
	}
	add("adjust_room encap twice", call(abi.FnSkbAdjustRoom, "ctx", "20", "1", "2")+call(abi.FnSkbAdjustRoom, "ctx", "20", "1", "2")+show, "ipv4")
	for _, at := range []string{"0", "1", "24", "55", "56", "57", "62", "63", "64", "70000", "-1"} {
		add("load_bytes "+at, call(abi.FnSkbLoadBytes, "ctx", at, "fp-64", "8")+foldStack, "ipv4")
		add("store_bytes "+at, call(abi.FnSkbStoreBytes, "ctx", at, "fp-64", "8", "0")+show, "ipv4")
		for _, rel := range []string{"0", "1", "2"} {
			add("load_bytes_relative "+at+" "+rel, call(abi.FnSkbLoadBytesRelative, "ctx", at, "fp-64", "8", rel)+foldStack, "ipv4")
		}
		for _, flags := range []string{"0", "2", "4", "3", "16", "18", "20"} {
			add("l3_csum_replace "+at+" "+flags, call(abi.FnL3CsumReplace, "ctx", at, "0x12345678", "0xabcdef01", flags), "ipv4")
			add("l3_csum_replace by diff "+at+" "+flags, call(abi.FnL3CsumReplace, "ctx", at, "0", "0xabcdef01", flags), "ipv4")
		}
		for _, flags := range []string{"0", "2", "4", "3", "18", "20", "34", "50", "98", "64", "128", "146", "256"} {
			add("l4_csum_replace "+at+" "+flags, call(abi.FnL4CsumReplace, "ctx", at, "0x12345678", "0xabcdef01", flags), "ipv4")
			add("l4_csum_replace by diff "+at+" "+flags, call(abi.FnL4CsumReplace, "ctx", at, "0", "0xabcdef01", flags), "ipv4")
		}
	}
	add("store_bytes with flags", call(abi.FnSkbStoreBytes, "ctx", "20", "fp-64", "8", "3"), "ipv4")
	add("store_bytes with bad flags", call(abi.FnSkbStoreBytes, "ctx", "20", "fp-64", "8", "4"), "ipv4")
	for _, n := range []string{"0", "14", "64", "65", "5000"} {
		add("pull_data "+n, call(abi.FnSkbPullData, "ctx", n), "ipv4")
	}
	for _, l := range []string{"0", "1", "2", "3", "4"} {
		add("csum_level "+l, call(abi.FnCsumLevel, "ctx", l), "ipv4")
		add("csum_level inc, "+l, call(abi.FnCsumLevel, "ctx", "1")+call(abi.FnCsumLevel, "ctx", l)+"r7 = r0\n"+call(abi.FnCsumLevel, "ctx", "0")+"r0 *= 31\nr0 += r7\n", "ipv4")
	}
	add("csum_update", call(abi.FnCsumUpdate, "ctx", "5"), "ipv4")
	add("set_hash", call(abi.FnSetHash, "ctx", "0x1234")+call(abi.FnGetHashRecalc, "ctx"), "ipv4", "ipv6")
	add("set_hash_invalid", call(abi.FnSetHash, "ctx", "0x1234")+call(abi.FnSetHashInvalid, "ctx")+"r0 = *(u32 *)(r6 +68)\n", "ipv4")
	add("redirect", call(abi.FnRedirect, "1", "0"), "ipv4")
	add("redirect ingress", call(abi.FnRedirect, "1", "1"), "ipv4")
	add("redirect with bad flags", call(abi.FnRedirect, "1", "2"), "ipv4")
	add("redirect_peer", call(abi.FnRedirectPeer, "1", "0"), "ipv4")
	add("redirect_peer with flags", call(abi.FnRedirectPeer, "1", "1"), "ipv4")
	add("redirect_neigh", call(abi.FnRedirectNeigh, "1", "0", "0", "0"), "ipv4")
	add("redirect_neigh short", call(abi.FnRedirectNeigh, "1", "fp-64", "4", "0"), "ipv4")
	add("redirect_neigh to", call(abi.FnRedirectNeigh, "1", "fp-64", "20", "0"), "ipv4")
	add("clone_redirect nowhere", call(abi.FnCloneRedirect, "ctx", "99999", "0"), "ipv4")
	add("clone_redirect with flags", call(abi.FnCloneRedirect, "ctx", "1", "2"), "ipv4")
	add("get_tunnel_key", call(abi.FnSkbGetTunnelKey, "ctx", "fp-64", "28", "0")+foldStack, "ipv4")
	add("get_tunnel_opt", call(abi.FnSkbGetTunnelOpt, "ctx", "fp-64", "16")+foldStack, "ipv4")
	for _, set := range []string{"0", "1", "2", "4", "8", "16", "32", "31"} {
		for _, get := range [][2]string{{"44", "0"}, {"44", "1"}, {"44", "16"}, {"44", "17"}, {"24", "16"}, {"28", "32"}, {"8", "1"}, {"12", "0"}} {
			add("set_tunnel_key "+set+", get_tunnel_key "+get[0]+" "+get[1],
				call(abi.FnSkbSetTunnelKey, "ctx", "fp-64", "8", set)+call(abi.FnSkbGetTunnelKey, "ctx", "fp-72", get[0], get[1])+foldStack, "ipv4")
		}
	}
	for _, n := range []string{"4", "6", "16"} {
		add("set_tunnel_opt "+n, call(abi.FnSkbSetTunnelKey, "ctx", "fp-64", "8", "0")+call(abi.FnSkbSetTunnelOpt, "ctx", "fp-64", n)+
			"r7 = r0\n"+call(abi.FnSkbGetTunnelOpt, "ctx", "fp-64", "12")+"r0 += r7\n"+foldStack, "ipv4")
	}
	add("get_cgroup_classid", call(abi.FnGetCgroupClassid, "ctx"), "ipv4")
	add("get_route_realm", call(abi.FnGetRouteRealm, "ctx"), "ipv4")
	add("get_socket_uid", call(abi.FnGetSocketUid, "ctx"), "ipv4")
	for kind := range 4 {
		frames := map[string][]byte{"ipv4": ecnFrame(byte(kind)), "ipv6": ipv6Frame()}
		frames["ipv6"][15] |= byte(kind) << 4
		for n, f := range frames {
			cases = append(cases, helperCase{name: fmt.Sprint("ecn_set_ce ", kind, n), typ: abi.ProgSchedCLS, code: call(abi.FnSkbEcnSetCe, "ctx"), data: f})
		}
	}
	for _, a := range [][2]string{{"0", "0"}, {"5", "1"}, {"0", "1"}, {"5", "0"}, {"5", "2"}, {"5", "3"}} {
		add("set_tstamp "+a[0]+" "+a[1], call(abi.FnSkbSetTstamp, "ctx", a[0], a[1])+"r1 = *(u64 *)(r6 +152)\nr0 += r1\nr1 = *(u8 *)(r6 +180)\nr0 *= 3\nr0 += r1\n", "ipv4", "arp")
	}
	for _, size := range []string{"63", "64", "65"} {
		add("fib_lookup "+size, call(abi.FnFibLookup, "ctx", "fp-72", size, "0"), "ipv4")
	}
	return cases
}

// program is the case as instructions.
func (c *helperCase) program(t testing.TB) []isa.Instruction {
	return assemble(t, "r6 = r1\n*(u64 *)(r10 -72) = 0\n"+fill+c.code+"exit\n")
}

// TestHelpersGolden compares every case with what the kernel answered when the
// golden file was written (by TestHelpersAgainstKernel with
// SKEP_UPDATE_GOLDEN=1), for machines where programs cannot be loaded into it.
func TestHelpersGolden(t *testing.T) {
	text, err := os.ReadFile(helpersGolden)
	if err != nil {
		t.Fatal(err)
	}
	m := newMachine(t, Config{CPUs: 1})
	want := map[string]string{}
	for line := range strings.Lines(string(text)) {
		name, answer, _ := strings.Cut(strings.TrimSpace(line), "\t")
		want[name] = answer
	}
	for _, c := range helperCases() {
		p, err := m.Load(&ProgramSpec{Name: c.name, Type: c.typ, License: "GPL", Instructions: c.program(t)})
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		res, err := p.TestRun(&TestInput{Data: c.data})
		p.Close()
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if got := answer(res.Return, res.Data); got != want[c.name] {
			t.Errorf("%s: %s, the kernel's answer was %s", c.name, got, want[c.name])
		}
		delete(want, c.name)
	}
	for name := range want {
		t.Errorf("%s: in the golden file, but no case any more", name)
	}
}

const helpersGolden = "testdata/helpers.golden"

// answer is a result as the golden file has it: return value, length and
// checksum of the packet.
func answer(ret uint32, data []byte) string {
	return fmt.Sprintf("%#x %d %08x", ret, len(data), crc32.ChecksumIEEE(data))
}
