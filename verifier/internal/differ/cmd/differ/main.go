// Differ compares this verifier with the running kernel's on random programs and
// prints the smallest program for each kind of disagreement. It needs root.
//
//	go run ./verifier/internal/differ/cmd/differ -for 1m
//	go run ./verifier/internal/differ/cmd/differ -seed 4711 -count 1     # one program again
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"time"

	"github.com/skepdev/skep/verifier"
	"github.com/skepdev/skep/verifier/internal/corpus"
	"github.com/skepdev/skep/verifier/internal/differ"
)

func main() {
	var o differ.Options
	flag.Uint64Var(&o.Seed, "seed", uint64(time.Now().Unix())<<20, "seed of the first program")
	flag.IntVar(&o.Count, "count", 0, "how many programs (0: as many as the time allows)")
	flag.DurationVar(&o.For, "for", time.Minute, "how long")
	flag.IntVar(&o.Jobs, "jobs", 0, "programs at once (0: one for each processor)")
	flag.IntVar(&o.Tries, "tries", 0, "how often to ask while shrinking a finding (0: 600)")
	flag.Float64Var(&o.Gen.Risk, "risk", 0, "how likely a safety step is left out (0: a mixture, negative: never)")
	flag.Float64Var(&o.Gen.Mutations, "mutations", 0, "how likely a program is changed blindly (0: two in five, negative: never)")
	flag.IntVar(&o.Gen.Steps, "steps", 0, "length of programs (0: 70 steps at most)")
	as := flag.String("as", "", "kernel version that ours judges as (6.12; empty: the newest known)")
	user := flag.String("user", "privileged", "who loads: privileged, no-perfmon (CAP_BPF and CAP_NET_ADMIN), unprivileged (and the machine is told to let them)")
	flag.Parse()
	privilege, err := parseUser(*user)
	if err != nil {
		fmt.Fprintln(os.Stderr, "differ:", err)
		os.Exit(2)
	}
	o.Open, o.Gen.Types = differ.OursAndKernel(privilege, *as), differ.TypesFor(privilege)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	rep, err := differ.Run(ctx, o)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	rep.Print(os.Stdout)
	if len(rep.Findings) > 0 {
		os.Exit(1)
	}
}

func parseUser(s string) (verifier.Privilege, error) {
	switch s {
	case "privileged":
		return verifier.Privileged, nil
	case "no-perfmon":
		return verifier.NoPerfmon, nil
	case "unprivileged":
		return verifier.Unprivileged, corpus.AllowUnprivileged()
	}
	return 0, fmt.Errorf("-user %q: want privileged, no-perfmon or unprivileged", s)
}
