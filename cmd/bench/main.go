// Command bench runs the same programs as code of this machine, in the kernel
// and in the embedded engine, and prints what a run takes on each, from one
// session: on shared machines only ratios within one mean anything.
//
//	go run ./cmd/bench [-o json] [-rounds 9] [program ...]
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"text/tabwriter"

	"github.com/skepdev/skep/choose"
)

func main() {
	format := flag.String("o", "table", "table or json")
	rounds := flag.Int("rounds", 9, "how often each is measured; the median counts")
	best := flag.Bool("best", false, "the best round counts rather than the median: for machines that others use too")
	compiler := flag.String("cc", "gcc", "the compiler of the native peers; empty leaves them out")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, options{*format, *compiler, max(*rounds, 1), *best}, flag.Args()); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// row is one line of the table: nanoseconds for a run, 0 where there is none,
// and what loading the program takes.
type row struct {
	Program      string  `json:"program"`
	Native       float64 `json:"native_ns,omitempty"`
	Kernel       float64 `json:"kernel_ns,omitempty"`
	JIT          float64 `json:"jit_ns"`
	Interpreter  float64 `json:"interpreter_ns"`
	Instructions int     `json:"instructions"`
	Load         float64 `json:"load_us"`
	KernelLoad   float64 `json:"kernel_load_us,omitempty"`
}

type options struct {
	format, compiler string
	rounds           int
	best             bool
}

func run(ctx context.Context, o options, only []string) error {
	native, err := nativeTimes(ctx, o.compiler)
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench: without native peers:", err)
	}
	var peers []*peer
	for _, p := range []struct {
		want choose.Want
		opts choose.Options
	}{{choose.Embedded, choose.Options{}}, {choose.Embedded, choose.Options{Interpret: true}}, {choose.Kernel, choose.Options{}}} {
		eng, _, err := choose.OpenWith(ctx, p.want, p.opts)
		if err != nil {
			if p.want != choose.Kernel {
				return err
			}
			fmt.Fprintln(os.Stderr, "bench: without the kernel:", err)
			continue
		}
		defer eng.Close()
		pr, err := newPeer(ctx, eng, p.opts.Interpret)
		if err != nil {
			return err
		}
		defer pr.close()
		peers = append(peers, pr)
	}
	var rows []row
	for _, name := range programs {
		if len(only) != 0 && !slices.Contains(only, name) {
			continue
		}
		r := row{Program: name, Native: native[name]}
		if err := measure(&r, peers, o); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		rows = append(rows, r)
	}
	if o.format == "json" {
		enc := json.NewEncoder(os.Stdout)
		enc.SetIndent("", "  ")
		return enc.Encode(rows)
	}
	return print(rows)
}

// print writes the table. JIT/kernel compares runs as they are, with what each
// engine does around a program; net compares the programs alone: what the
// program that does nothing takes is subtracted on both sides, and what is then
// below a nanosecond, which the kernel's clock cannot tell, counts as one.
func print(rows []row) error {
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "program\tcompiled\tkernel\tJIT\tinterpreter\tJIT/compiled\tJIT/kernel\tnet\tinstructions\tload µs\tkernel load µs\t")
	var toNative, toKernel, net []float64
	var jitShare, kernelShare float64
	for _, r := range rows {
		netRatio := 0.0
		if r.Program == "noop" {
			jitShare, kernelShare = r.JIT, r.Kernel
		} else if kernelShare != 0 && r.Kernel != 0 {
			netRatio = max(r.JIT-jitShare, 1) / max(r.Kernel-kernelShare, 1)
			net = append(net, netRatio)
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%d\t%.0f\t%s\t\n", r.Program, number(r.Native), number(r.Kernel), number(r.JIT), number(r.Interpreter),
			ratio(r.JIT, r.Native), ratio(r.JIT, r.Kernel), number(netRatio), r.Instructions, r.Load, number(r.KernelLoad))
		if r.Program == "noop" {
			continue // what a run itself costs is no program's speed
		}
		if r.Native != 0 {
			toNative = append(toNative, r.JIT/r.Native)
		}
		if r.Kernel != 0 {
			toKernel = append(toKernel, r.JIT/r.Kernel)
		}
	}
	fmt.Fprintf(w, "geometric mean\t\t\t\t\t%s\t%s\t%s\t\t\t\t\n", number(geomean(toNative)), number(geomean(toKernel)), number(geomean(net)))
	return w.Flush()
}

func number(v float64) string {
	switch {
	case v == 0:
		return "-"
	case v < 10:
		return fmt.Sprintf("%.2f", v)
	case v < 100:
		return fmt.Sprintf("%.1f", v)
	}
	return fmt.Sprintf("%.0f", v)
}

func ratio(a, b float64) string {
	if b == 0 {
		return "-"
	}
	return fmt.Sprintf("%.2f", a/b)
}
