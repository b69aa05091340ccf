package symbol

import (
	"bufio"
	"io"
	"strconv"
	"strings"
)

// MaxJITMap is how much of a JIT compiler's map is read, in bytes.
const MaxJITMap = 256 << 20

// parseJITMap reads what JIT compilers write to /tmp/perf-PID.map: START SIZE
// NAME a line, in hexadecimal digits (Linux, tools/perf/Documentation/
// jit-interface.txt). Code that replaced other code comes later and wins. Lines
// of another form are left out.
func parseJITMap(r io.Reader) *table {
	t := &table{}
	sc := bufio.NewScanner(io.LimitReader(r, MaxJITMap))
	sc.Buffer(nil, 1<<20)
	for n := 0; sc.Scan() && n < MaxSymbols; n++ {
		start, rest, ok := strings.Cut(sc.Text(), " ")
		size, name, ok2 := strings.Cut(rest, " ")
		if !ok || !ok2 || name == "" {
			continue
		}
		a, err := strconv.ParseUint(strings.TrimPrefix(start, "0x"), 16, 64)
		if err != nil {
			continue
		}
		s, err := strconv.ParseUint(strings.TrimPrefix(size, "0x"), 16, 64)
		if err != nil || s == 0 {
			continue
		}
		t.addName(a, s, name, 0)
	}
	// The last one at an address counts: finish takes the first of equal rank.
	for i, j := 0, len(t.syms)-1; i < j; i, j = i+1, j-1 {
		t.syms[i], t.syms[j] = t.syms[j], t.syms[i]
	}
	t.finish()
	return t
}
