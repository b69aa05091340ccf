package corpus

import (
	"context"
	"fmt"
	"runtime/debug"

	"github.com/cilium/ebpf"
)

// Judge decides on one program of a collection. The collection is the judge's own:
// it holds the case's program with the case's flags, the auxiliary programs and
// their maps. A judge is called from several goroutines at once.
type Judge func(ctx context.Context, c *Case, spec *ebpf.CollectionSpec, prog string) Verdict

// Named is a judge and what it is called.
type Named struct {
	Name  string
	Judge Judge
}

// KernelName is the judge whose verdict stands in for an expectation where a
// program carries none.
const KernelName = "kernel"

// Judges are all there are.
func Judges() []Named {
	return []Named{
		{KernelName, Kernel},
		{OursName, Ours("")},
		{OursAs("6.12"), Ours("6.12")},
	}
}

// ask calls a judge and turns its panic into a verdict, so that one program does
// not end the work on a corpus.
func ask(ctx context.Context, j Judge, c *Case, spec *ebpf.CollectionSpec) (v Verdict) {
	defer func() {
		if r := recover(); r != nil {
			v = Verdict{Err: fmt.Errorf("BUG: the judge panicked: %v", r), Log: string(debug.Stack())}
		}
	}()
	switch p := spec.Programs[c.Program]; {
	case p == nil:
		return Verdict{NotSupported: errNoProgram.Error()}
	case p.Type == ebpf.UnspecifiedProgram:
		return Verdict{NotSupported: "its section does not say what type it has"}
	}
	return j(ctx, c, spec, c.Program)
}
