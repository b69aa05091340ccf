//go:build linux

package profile_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/skepdev/skep/choose"
	"github.com/skepdev/skep/kernel"
	"github.com/skepdev/skep/trace/profile"
)

// BenchmarkSample is what a sample costs in the kernel by its own statistics, of
// a program some 12 frames deep in the C library's qsort: with tables, and by
// frame pointers (which see a fraction of the stack). overhead is the share of a
// processor that 99 samples a second take.
func BenchmarkSample(b *testing.B) {
	if os.Getuid() != 0 {
		b.Skip("needs root: stacks are sampled in the kernel")
	}
	eng, err := choose.OpenUntried(choose.Kernel)
	if err != nil {
		b.Skip("needs the kernel's engine:", err)
	}
	defer eng.Close()
	if _, err := exec.LookPath("gcc"); err != nil {
		b.Skip("needs gcc")
	}
	src, bin := filepath.Join(b.TempDir(), "sorter.c"), filepath.Join(b.TempDir(), "sorter")
	if err := os.WriteFile(src, []byte(sorter), 0o644); err != nil {
		b.Fatal(err)
	}
	if out, err := exec.Command("gcc", "-O2", "-fomit-frame-pointer", "-o", bin, src).CombinedOutput(); err != nil {
		b.Fatalf("%v\n%s", err, out)
	}
	cmd := exec.Command(bin)
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	defer func() { cmd.Process.Kill(); cmd.Wait() }()
	time.Sleep(50 * time.Millisecond)
	stats, err := kernel.EnableStats()
	if err != nil {
		b.Skip("needs the kernel's statistics:", err)
	}
	defer stats.Close()
	for _, c := range []struct {
		name     string
		noUnwind bool
	}{{"tables", false}, {"frame-pointers", true}} {
		b.Run(c.name, func(b *testing.B) {
			var frames, samples int64
			var ns, ready float64
			for b.Loop() {
				r, err := profile.Start(b.Context(), profile.Options{Engine: eng, PIDs: []int{cmd.Process.Pid}, Frequency: 4999, NoUnwind: c.noUnwind, NoKernel: true})
				if err != nil {
					b.Fatal(err)
				}
				time.Sleep(500 * time.Millisecond)
				p, err := r.Stop()
				if err != nil {
					b.Fatal(err)
				}
				for _, s := range p.Samples {
					frames += s.Values[0] * int64(len(s.Stack))
					samples += s.Values[0]
				}
				ns += float64(p.Stats.RunTime)
				ready += float64(p.Stats.Ready.Milliseconds())
			}
			each := ns / float64(samples)
			b.ReportMetric(each, "ns/sample")
			b.ReportMetric(float64(frames)/float64(samples), "frames")
			b.ReportMetric(each*99/1e7, "%overhead")
			b.ReportMetric(ready/float64(b.N), "ms-ready")
			b.ReportMetric(0, "ns/op")
		})
	}
}
