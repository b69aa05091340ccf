package kernel

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/skepdev/skep/engine"
)

var printkLines = map[string]engine.PrintkLine{
	"           <...>-1234    [001] d..21   123.456789: bpf_trace_printk: hello": {
		Task: "<...>", PID: 1234, CPU: 1, Time: 123456789 * time.Microsecond, Text: "hello",
	},
	"        my-task-12      [000] .....  0.000001: bpf_trace_printk: a: bpf_trace_printk: b\n": {
		Task: "my-task", PID: 12, Time: time.Microsecond, Text: "a: bpf_trace_printk: b",
	},
	"  name with [1] -99      [127] d.s41 99999.000001: bpf_trace_printk: ": {
		Task: "name with [1] ", PID: 99, CPU: 127, Time: 99999*time.Second + time.Microsecond,
	},
	"           cat-7       (    123) [002] 5.5: bpf_trace_printk: x": {
		Task: "cat", PID: 7, CPU: 2, Time: 5500 * time.Millisecond, Text: "x",
	},
}

func TestParsePrintk(t *testing.T) {
	for in, want := range printkLines {
		got, ok := parsePrintk(in)
		if diff := cmp.Diff(want, got); !ok || diff != "" {
			t.Errorf("%q: %v %s", in, ok, diff)
		}
	}
	for _, in := range []string{
		"", "bash-1 [000] d.... 1.0: sched_switch: x", ": bpf_trace_printk: x", "a-1 [000] d 1: bpf_trace_printk: x",
		"a-b [000] d 1.0: bpf_trace_printk: x", "a-1 [x] d 1.0: bpf_trace_printk: x", "a [000] d 1.0: bpf_trace_printk: x",
		"a-1 [000] d 99999999999999999999.0: bpf_trace_printk: x", "CPU:1 [LOST 5 EVENTS]",
	} {
		if got, ok := parsePrintk(in); ok {
			t.Errorf("%q was taken as %+v", in, got)
		}
	}
}

func FuzzParsePrintk(f *testing.F) {
	for in := range printkLines {
		f.Add(in)
	}
	f.Fuzz(func(t *testing.T, in string) {
		l, ok := parsePrintk(in)
		if !ok {
			return
		}
		if l.PID < 0 || l.CPU < 0 || l.Time < 0 || !strings.Contains(in, l.Text) || !strings.Contains(in, l.Task) {
			t.Errorf("%q gave %+v", in, l)
		}
	})
}
