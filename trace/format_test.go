package trace

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/skepdev/skep/lang"
)

const openatFormat = `name: sys_enter_openat
ID: 700
format:
	field:unsigned short common_type;	offset:0;	size:2;	signed:0;
	field:int common_pid;	offset:4;	size:4;	signed:1;

	field:const char * filename;	offset:24;	size:8;	signed:0;
	field:char comm[16];	offset:32;	size:16;	signed:0;
	field:__data_loc char[] name;	offset:48;	size:4;	signed:0;

print fmt: "dfd: 0x%08lx", ((unsigned long)(REC->dfd))
`

func TestParseFormat(t *testing.T) {
	got, err := ParseFormat(openatFormat)
	if err != nil {
		t.Fatal(err)
	}
	want := []lang.TracepointField{
		{Type: "unsigned short", Name: "common_type", Size: 2},
		{Type: "int", Name: "common_pid", Offset: 4, Size: 4, Signed: true},
		{Type: "const char *", Name: "filename", Offset: 24, Size: 8},
		{Type: "char[16]", Name: "comm", Offset: 32, Size: 16},
		{Type: "__data_loc char[]", Name: "name", Offset: 48, Size: 4},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func FuzzParseFormat(f *testing.F) {
	f.Add(openatFormat)
	f.Add("field:int x;offset:99999999999999999999;size:-1;")
	f.Fuzz(func(t *testing.T, s string) {
		fields, err := ParseFormat(s)
		for _, x := range fields {
			if err == nil && (x.Name == "" || x.Offset < 0 || x.Size < 0) {
				t.Errorf("%+v of %q", x, s)
			}
		}
	})
}

func TestSprintf(t *testing.T) {
	for _, c := range []struct {
		format, want string
		args         []datum
	}{
		{"%d %u %x %lx\n", "-1 18446744073709551615 ffffffff ffffffffffffffff\n", []datum{int64(-1), int64(-1), int64(-1), int64(-1)}},
		{"%5s|%-5s|%04x", "   ba|ab   |0002", []datum{"ba", "ab", int64(2)}},
		{"%hhx %hx %x %jx", "ef cdef 78abcdef 12345678abcdef", []datum{int64(0x12345678abcdef), int64(0x12345678abcdef), int64(0x12345678abcdef), int64(0x12345678abcdef)}},
		{"%c%%%p", "A%0x10", []datum{int64(65), int64(16)}},
		{"%r %rx %rh", `hi\x00 \x68\x69\x00 68 69 00`, []datum{buffer("hi\x00"), buffer("hi\x00"), buffer("hi\x00")}},
	} {
		if got := sprintf(c.format, c.args); got != c.want {
			t.Errorf("%q: %q, want %q", c.format, got, c.want)
		}
	}
}

func TestHistogram(t *testing.T) {
	m := mapView{&lang.Map{Bits: 0}}
	b := make([]uint64, lang.HistBuckets(0))
	b[0], b[3], b[4], b[6] = 1, 2, 1, 1 // -1; 2, 3; 7; 20
	want := `(..., 0)               1 |@@@@@@@@@@@@@@@@@@@@@@@@@@                          |
[0]                    0 |                                                    |
[1]                    0 |                                                    |
[2, 4)                 2 |@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@|
[4, 8)                 1 |@@@@@@@@@@@@@@@@@@@@@@@@@@                          |
[8, 16)                0 |                                                    |
[16, 32)               1 |@@@@@@@@@@@@@@@@@@@@@@@@@@                          |
`
	if diff := cmp.Diff(want, text(m.hist(b, 1))); diff != "" {
		t.Error(diff)
	}
	if got := text(histLabel(17, 0)); got != "64K" {
		t.Errorf("label %s", got)
	}
}
