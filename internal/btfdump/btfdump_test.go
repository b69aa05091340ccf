package btfdump

import (
	"errors"
	"strings"
	"testing"

	"github.com/cilium/ebpf/btf"
	"github.com/google/go-cmp/cmp"
)

// Each row is read from bytes to JSON and text, and from that JSON back to the
// same bytes. Bytes are those of a little-endian machine.
var roundTrips = []struct {
	name string
	t    btf.Type
	data string
	json string
	text string
}{
	{"number", tU32, "\x2a\x00\x00\x00", `42`, `42`},
	{"negative", tInt, "\xfe\xff\xff\xff", `-2`, `-2`},
	{"biggest", tU64, "\xff\xff\xff\xff\xff\xff\xff\xff", `18446744073709551615`, `18446744073709551615`},
	{"wide", tU128, "\x01\x00\x00\x00\x00\x00\x00\x00\x02\x00\x00\x00\x00\x00\x00\x00", `"0x20000000000000001"`, `0x20000000000000001`},
	{"truth", tBool, "\x01", `true`, `true`},
	{"no truth", tBool, "\x07", `7`, `7`},
	{"double", tFloat, "\x00\x00\x00\x00\x00\x00\xf8\x3f", `1.5`, `1.5`},
	{"zero below zero", tFloat, "\x00\x00\x00\x00\x00\x00\x00\x80", `-0`, `-0`},
	{"not a number", tFloat, "\x01\x00\x00\x00\x00\x00\xf8\x7f", `"NaN"`, `NaN`},
	{"enumerator", tProto, "\x06\x00\x00\x00", `"TCP"`, `TCP`},
	{"no enumerator", tProto, "\x07\x00\x00\x00", `7`, `7`},
	{"signed enumerator", tSign, "\xff\xff\xff\xff", `"MINUS"`, `MINUS`},
	{"signed no enumerator", tSign, "\xfe\xff\xff\xff", `-2`, `-2`},
	{"text", arrayOf(tChar, 8), "eth0\x00\x00\x00\x00", `"eth0"`, `eth0`},
	{"text with blanks", arrayOf(tChar, 4), "a \"b", `"a \"b"`, `"a \"b"`},
	{"no text", arrayOf(tChar, 4), "a\x00b\x00", `[97,0,98,0]`, `[97 0 98 0]`},
	{"empty text", arrayOf(tChar, 2), "\x00\x00", `""`, `""`},
	{"bytes", arrayOf(tU8, 3), "\x0a\x00\xff", `"0x0a00ff"`, `0x0a00ff`},
	{"mac", arrayOf(tU8, 6), "\x02\x00\x00\x00\x00\x01", `"02:00:00:00:00:01"`, `02:00:00:00:00:01`},
	{"numbers", arrayOf(tU16, 3), "\x01\x00\x02\x00\x03\x00", `[1,2,3]`, `[1 2 3]`},
	{"equal numbers", arrayOf(tU16, 6), "\x01\x00" + strings.Repeat("\x00", 10), `[1,0,0,0,0,0]`, `[1 0 ×5]`},
	{"nothing", arrayOf(tU16, 0), "", `[]`, `[]`},
	{"port", tBe16, "\x00\x50", `80`, `80`},
	{"ipv4", tBe32, "\x0a\x00\x00\x01", `"10.0.0.1"`, `10.0.0.1`},
	{"ipv6", tIn6, "\x20\x01\x0d\xb8" + strings.Repeat("\x00", 11) + "\x01", `"2001:db8::1"`, `2001:db8::1`},
	{"ipv6 words", arrayOf(tBe32, 4), "\x20\x01\x0d\xb8" + strings.Repeat("\x00", 11) + "\x01", `"2001:db8::1"`, `2001:db8::1`},
	{"mapped ipv4", tIn6, strings.Repeat("\x00", 10) + "\xff\xff\x0a\x00\x00\x01", `"::ffff:10.0.0.1"`, `::ffff:10.0.0.1`},
	{"pointer", &btf.Pointer{Target: tEntry}, "\x00\x10\x00\x00\xff\xff\x00\x00", `"0xffff00001000"`, `0xffff00001000`},
	{"bitfields", tBits, "\xf4\x23\x01\x00", `{"version":4,"delta":-1,"proto":"UDP","flag":false,"rest":1}`, `{version=4 delta=-1 proto=UDP flag=false rest=1}`},
	{
		"struct", tEntry,
		"\x03\x00\x00\x00\x00\x00\x00\x00\x06\x00\x00\x00\x0a\x00\x00\x01\x00\x50\x01\xbb\x00\x00\x00\x00http\x00\x00\x00\x00",
		`{"packets":3,"proto":"TCP","src":"10.0.0.1","word":3137425408,"sport":80,"dport":443,"name":"http"}`,
		`{packets=3 proto=TCP src=10.0.0.1 word=3137425408 sport=80 dport=443 name=http}`,
	},
	{
		"section", &btf.Datasec{Name: ".data", Size: 8, Vars: []btf.VarSecinfo{
			{Type: &btf.Var{Name: "limit", Type: tU32}, Size: 4},
			{Type: &btf.Var{Name: "port", Type: &btf.Volatile{Type: tBe16}}, Offset: 4, Size: 2},
		}},
		"\x07\x00\x00\x00\x00\x50\x00\x00", `{"limit":7,"port":80}`, `{limit=7 port=80}`,
	},
	{"no type", nil, "\x01\x02", `"0x0102"`, `0x0102`},
}

func needLittleEndian(t *testing.T) {
	if bigEndian() {
		t.Skip("the rows are bytes of a little-endian machine")
	}
}

func TestRoundTrip(t *testing.T) {
	needLittleEndian(t)
	for _, row := range roundTrips {
		t.Run(row.name, func(t *testing.T) {
			v, err := Decode(row.t, []byte(row.data))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(row.json, string(v.AppendJSON(nil))); diff != "" {
				t.Errorf("json (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(row.text, v.String()); diff != "" {
				t.Errorf("text (-want +got):\n%s", diff)
			}
			given, err := ParseJSON([]byte(row.json))
			if err != nil {
				t.Fatal(err)
			}
			got := make([]byte, len(row.data))
			if err := Encode(row.t, given, got); err != nil {
				t.Fatal(err)
			}
			if row.name == "not a number" {
				return // NaN has many forms
			}
			if diff := cmp.Diff([]byte(row.data), got); diff != "" {
				t.Errorf("encoded (-want +got):\n%s", diff)
			}
		})
	}
}

func TestEncodeForms(t *testing.T) {
	needLittleEndian(t)
	rows := []struct {
		t     btf.Type
		given any
		want  string
	}{
		{tU32, "0x10", "\x10\x00\x00\x00"},
		{tU32, " 1_000 ", "\xe8\x03\x00\x00"},
		{tU32, "10.0.0.1", "\x0a\x00\x00\x01"},
		{tU32, 1e3, "\xe8\x03\x00\x00"},
		{tU32, true, "\x01\x00\x00\x00"},
		{tInt, -1, "\xff\xff\xff\xff"},
		{tU32, int64(7), "\x07\x00\x00\x00"},
		{tU32, uint64(7), "\x07\x00\x00\x00"},
		{tProto, "17", "\x11\x00\x00\x00"},
		{tBool, "true", "\x01"},
		{tChar, "x", "x"},
		{tBe16, "443", "\x01\xbb"},
		{tFloat, "1.5", "\x00\x00\x00\x00\x00\x00\xf8\x3f"},
		{arrayOf(tChar, 4), []any{"1"}, "\x01\x00\x00\x00"},
		{arrayOf(tU8, 4), "10.0.0.1", "\x0a\x00\x00\x01"},
		{arrayOf(tU8, 4), "0x01", "\x01\x00\x00\x00"},
		{arrayOf(tU8, 4), "text:ab", "ab\x00\x00"},
		{arrayOf(tU8, 4), []any{1, "0xff"}, "\x01\xff\x00\x00"},
		{tEntry, map[string]any{"dport": 443}, strings.Repeat("\x00", 18) + "\x01\xbb" + strings.Repeat("\x00", 12)},
		{nil, "0x0102", "\x01\x02"},
		{nil, []any{1, 2}, "\x01\x02"},
	}
	for _, row := range rows {
		dst := []byte(strings.Repeat("\xee", len(row.want)))
		if err := Encode(row.t, row.given, dst); err != nil {
			t.Errorf("%v: %v", row.given, err)
		} else if string(dst) != row.want {
			t.Errorf("%v: % x, want % x", row.given, dst, row.want)
		}
	}
}

func TestEncodeErrors(t *testing.T) {
	rows := []struct {
		t     btf.Type
		given any
		want  string
	}{
		{tU8, 300, "300 does not fit unsigned char (0 … 255)"},
		{tU8, -1, "-1 does not fit unsigned char (0 … 255)"},
		{tInt, "0x80000000", "2147483648 does not fit int (-2147483648 … 2147483647)"},
		{tU32, 1.5, "1.5 is no whole number"},
		{tU32, "ten", `"ten" is no number`},
		{tU32, []any{}, "want a number, have a list"},
		{tProto, "TPC", `enum proto has no "TPC", did you mean "TCP"?`},
		{tProto, "SCTP_LONG", `enum proto has no "SCTP_LONG": it has ICMP, TCP, UDP`},
		{tEntry, map[string]any{"pakets": 1}, `no field "pakets", did you mean "packets"?`},
		{tEntry, map[string]any{"zzzz": 1}, `no field "zzzz": there is packets, proto, src, word, sport, dport, name`},
		{tEntry, map[string]any{"name": "much too long"}, "name: text of 13 bytes does not fit in 8"},
		{tEntry, map[string]any{"word": 1, "sport": 80}, "word and sport share bytes and disagree: give one of them"},
		{tEntry, map[string]any{"word": 1, "sport": 0}, "word and sport share bytes and disagree: give one of them"},
		{tEntry, 3, "want an object with the fields of struct entry, have a number"},
		{tBits, map[string]any{"version": 16}, "version: 16 does not fit 4 bits of unsigned int (0 … 15)"},
		{tBits, map[string]any{"delta": -17}, "delta: -17 does not fit 5 bits of int (-16 … 15)"},
		{arrayOf(tU16, 2), []any{1, 2, 3}, "3 elements do not fit an array of 2"},
		{arrayOf(tU16, 2), []any{1, 70000}, "[1]: 70000 does not fit unsigned short (0 … 65535)"},
		{arrayOf(tU8, 2), "0x010203", "3 bytes do not fit in 2"},
		{arrayOf(tU8, 2), "0x1", `"0x1" is not pairs of hex digits`},
		{arrayOf(tU8, 2), "10.0.0.1", `"10.0.0.1" is no 2 bytes: write 0x and hex digits, text:…, an address of that size, or a list of numbers`},
		{tIn6, "fe80::1%eth0", `"fe80::1%eth0" is no IPv6 address`},
		{nil, 1, "want bytes as a hex string or a list, have a number"},
		{nil, []any{256}, "[0]: 256 does not fit a byte (0 … 255)"},
	}
	for _, row := range rows {
		err := Encode(row.t, row.given, make([]byte, 32))
		if err == nil {
			t.Errorf("%v: no error, want %q", row.given, row.want)
		} else if err.Error() != row.want {
			t.Errorf("%v:\n got %q\nwant %q", row.given, err, row.want)
		}
	}
}

func TestPerCPU(t *testing.T) {
	needLittleEndian(t)
	data := []byte("\x01\x00\x00\x00\x00\x00\x00\x00\x02\x00\x00\x00\x00\x00\x00\x00")
	values, err := DecodePerCPU(tU32, data, 4)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]Value{Uint64(1), Uint64(2)}, values); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for given, want := range map[any]string{
		"3":    "\x03\x00\x00\x00\x00\x00\x00\x00\x03\x00\x00\x00\x00\x00\x00\x00",
		"list": "\x03\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00",
	} {
		v := given
		if given == "list" {
			v = []any{3}
		}
		if err := EncodePerCPU(tU32, v, 4, data); err != nil {
			t.Fatal(err)
		}
		if string(data) != want {
			t.Errorf("%v: % x, want % x", v, data, want)
		}
	}
	if err := EncodePerCPU(tU32, []any{1, 2, 3}, 4, data); err == nil {
		t.Error("three values for two CPUs were taken")
	}
	if _, err := DecodePerCPU(tU32, data[:9], 4); err == nil {
		t.Error("nine bytes were taken for per-CPU values")
	}
}

func TestHostileTypes(t *testing.T) {
	loop := &btf.Typedef{Name: "a"}
	loop.Type = &btf.Typedef{Name: "b", Type: loop}
	inside := &btf.Struct{Name: "s", Size: 8}
	inside.Members = []btf.Member{{Name: "self", Type: inside}}
	var bomb btf.Type = tU32
	for range 40 {
		bomb = &btf.Union{Name: "u", Size: 4, Members: []btf.Member{{Name: "a", Type: bomb}, {Name: "b", Type: bomb}}}
	}
	rows := map[string]btf.Type{
		"typedef cycle":         loop,
		"struct in itself":      inside,
		"doubling unions":       bomb,
		"empty elements":        arrayOf(&btf.Struct{Name: "empty"}, 1<<32-1),
		"member outside":        &btf.Struct{Size: 4, Members: []btf.Member{{Name: "m", Type: tU32, Offset: 8}}},
		"member far outside":    &btf.Struct{Size: 4, Members: []btf.Member{{Name: "m", Type: tU32, Offset: 1 << 31}}},
		"half a byte":           &btf.Struct{Size: 4, Members: []btf.Member{{Name: "m", Type: tU8, Offset: 3}}},
		"bits outside":          &btf.Struct{Size: 1, Members: []btf.Member{{Name: "m", Type: tU32, Offset: 4, BitfieldSize: 5}}},
		"too many bits":         &btf.Struct{Size: 64, Members: []btf.Member{{Name: "m", Type: tU128, BitfieldSize: 65}}},
		"bits of a struct":      &btf.Struct{Size: 4, Members: []btf.Member{{Name: "m", Type: tEntry, BitfieldSize: 3}}},
		"array beyond its data": arrayOf(tU64, 1<<30),
		"variable outside":      &btf.Datasec{Size: 4, Vars: []btf.VarSecinfo{{Type: &btf.Var{Name: "v", Type: tU32}, Offset: 4, Size: 4}}},
		"variable of nothing":   &btf.Datasec{Size: 4, Vars: []btf.VarSecinfo{{}}},
		"member of nothing":     &btf.Struct{Size: 4, Members: []btf.Member{{Name: "m"}}},
	}
	for name, typ := range rows {
		t.Run(name, func(t *testing.T) {
			if v, err := Decode(typ, make([]byte, 64)); !errors.Is(err, ErrBadType) {
				t.Errorf("got %v, %v, want %v", v, err, ErrBadType)
			}
			// Encoding must come back too, with or without an error.
			_ = Encode(typ, map[string]any{"m": 1, "self": map[string]any{}, "a": map[string]any{}}, make([]byte, 64))
		})
	}
}

func TestDecodeShort(t *testing.T) {
	for n := range 32 {
		if _, err := Decode(tEntry, make([]byte, n)); err == nil {
			t.Errorf("%d bytes were taken for 32", n)
		}
	}
}

func TestYAML(t *testing.T) {
	v, err := FromJSON([]byte(`{"name":"eth0","off":"off","n":-3,"list":[1,2],"none":[],"sub":{"a":"x y","b":[{"c":1,"d":2},{"c":"10"}]},"f":1.5,"z":null}`))
	if err != nil {
		t.Fatal(err)
	}
	want := `name: eth0
"off": "off"
"n": -3
list: [1, 2]
none: []
sub:
  a: "x y"
  b:
    - c: 1
      d: 2
    - c: "10"
f: 1.5
z: null
`
	if diff := cmp.Diff(want, string(v.AppendYAML(nil))); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestSuggest(t *testing.T) {
	names := []string{"packets", "bytes", "dropped_packets"}
	for word, want := range map[string]string{"packet": "packets", "BYTES": "bytes", "drop": "dropped_packets", "zebra": "", "": ""} {
		if got := Suggest(word, names); got != want {
			t.Errorf("%s: %q, want %q", word, got, want)
		}
	}
}
