package gen

import (
	"errors"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/cilium/ebpf"
)

func needKernel(t testing.TB) *Kernel {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root to load programs into the kernel")
	}
	k, err := OpenKernel()
	if err != nil {
		t.Skipf("needs a kernel with BPF: %v", err)
	}
	t.Cleanup(func() {
		if err := k.Close(); err != nil {
			t.Error(err)
		}
	})
	return k
}

// TestAcceptance: both verdicts come often enough for a comparison of verdicts to
// mean something, and for many reasons.
func TestAcceptance(t *testing.T) {
	k := needKernel(t)
	reasons := map[string]int{}
	const n = 1500
	accepted, byType, insns := 0, map[string][2]int{}, 0
	for seed := range uint64(n) {
		p := New(Rand(seed), Options{})
		ok, log, err := k.Accepts(p, LogPaths)
		if errors.Is(err, ErrVerifierBug) {
			t.Logf("seed %d: %v", seed, err)
			continue
		}
		if err != nil {
			t.Fatalf("seed %d: %v\n%s", seed, err, p)
		}
		c := byType[p.Type.String()]
		c[1]++
		insns += len(p.Insns)
		if ok {
			accepted++
			c[0]++
		} else {
			reasons[reason(log)]++
		}
		byType[p.Type.String()] = c
	}
	t.Logf("%d of %d accepted (%.1f %%), %.1f slots on average; by type %v", accepted, n, 100*float64(accepted)/n, float64(insns)/n, byType)
	for i, r := range slices.SortedFunc(keys(reasons), func(a, b string) int { return reasons[b] - reasons[a] }) {
		if i < 40 {
			t.Logf("%5d %s", reasons[r], r)
		}
	}
	if accepted < n*15/100 || accepted > n*45/100 {
		t.Errorf("%d of %d accepted", accepted, n)
	}
	if len(reasons) < 30 {
		t.Errorf("rejected for %d reasons only", len(reasons))
	}
}

func keys(m map[string]int) func(func(string) bool) {
	return func(yield func(string) bool) {
		for k := range m {
			if !yield(k) {
				return
			}
		}
	}
}

// reason is the last line of a log, without its numbers.
func reason(log string) string {
	lines := strings.Split(strings.TrimSpace(log), "\n")
	for len(lines) > 1 && strings.HasPrefix(lines[len(lines)-1], "processed ") {
		lines = lines[:len(lines)-1]
	}
	return regexp.MustCompile(`-?\b(?:0x)?[0-9a-f]*\d[0-9a-f]*\b|R\d+`).ReplaceAllString(lines[len(lines)-1], "N")
}

// TestSpecIsTheProgram: the kernel says the same of a program and of its spec.
func TestSpecIsTheProgram(t *testing.T) {
	k := needKernel(t)
	verdicts := map[bool]int{}
	for seed := range uint64(600) {
		p := New(Rand(seed), Options{})
		if p.CallsKfuncs() {
			continue // only what reads ELF files names kernel functions in specs
		}
		raw, log, err := k.Accepts(p, LogPaths)
		if err != nil {
			t.Fatal(err)
		}
		spec, err := p.Spec()
		if err != nil {
			t.Fatal(err)
		}
		coll, err := ebpf.NewCollection(spec)
		if err == nil {
			coll.Close()
		}
		if raw != (err == nil) {
			t.Errorf("seed %d: accepted %v, its spec: %v\n%s\n%s", seed, raw, err, p, reason(log))
		}
		verdicts[raw]++
	}
	if verdicts[true] < 50 || verdicts[false] < 50 {
		t.Errorf("verdicts %v", verdicts)
	}
}

// TestMinimiseRejection shrinks rejected programs to what the kernel rejects for the
// same reason.
func TestMinimiseRejection(t *testing.T) {
	k := needKernel(t)
	var before, after, n int
	for seed := uint64(0); n < 10; seed++ {
		p := New(Rand(seed), Options{Mutations: -1})
		ok, log, err := k.Accepts(p, LogPaths)
		if err != nil {
			t.Fatal(err)
		}
		if ok || len(p.Insns) < 20 {
			continue
		}
		why := reason(log)
		small := Minimise(p, func(q *Program) bool {
			ok, log, err := k.Accepts(q, LogPaths)
			return err == nil && !ok && reason(log) == why
		}, 400)
		n, before, after = n+1, before+len(p.Insns), after+len(small.Insns)
	}
	t.Logf("%d slots became %d", before, after)
	if after > before/4 {
		t.Errorf("%d slots became %d", before, after)
	}
}

// BenchmarkAccepts is how many verdicts a second the kernel gives on programs that
// are made on the way.
func BenchmarkAccepts(b *testing.B) {
	k := needKernel(b)
	rng := Rand(1)
	for b.Loop() {
		if _, _, err := k.Accepts(New(rng, Options{}), LogNone); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "programs/s")
}
