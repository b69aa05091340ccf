//go:build linux

package kernel

import (
	"errors"
	"fmt"
	"strings"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/btf"
	"golang.org/x/sys/unix"

	"github.com/skepdev/skep/engine"
)

func isInvalid(err error) bool { return errors.Is(err, unix.EINVAL) }

// verifierError is the promise's form of a rejection: what the log says, with
// the gaps filled from the program's own line information.
func verifierError(p *ebpf.ProgramSpec, err *ebpf.VerifierError) *engine.VerifierError {
	r := readRejection(err.Log)
	out := &engine.VerifierError{
		Program:     p.Name,
		Reason:      r.reason,
		Instruction: r.instruction,
		Assembly:    r.assembly,
		Source:      r.source,
		Log:         err.Log,
		// The loader grows the buffer until the log fits, up to its limit.
		Truncated: errors.Is(err, unix.ENOSPC),
		Err:       err.Cause,
	}
	if out.Reason == "" {
		out.Reason = err.Cause.Error()
	}
	if r.instruction >= 0 {
		completeFromSpec(p, out)
	}
	return out
}

// verifierErrorOf is verifierError for a log that did not come through the
// loader.
func verifierErrorOf(p *ebpf.ProgramSpec, err error, log string) *engine.VerifierError {
	return verifierError(p, &ebpf.VerifierError{Cause: err, Log: strings.Split(strings.TrimSpace(log), "\n")})
}

// completeFromSpec fills in assembly and source line from the spec.
func completeFromSpec(p *ebpf.ProgramSpec, out *engine.VerifierError) {
	var line *btf.Line
	iter := p.Instructions.Iterate()
	for iter.Next() {
		if l, ok := iter.Ins.Source().(*btf.Line); ok {
			line = l
		}
		if int(iter.Offset) < out.Instruction {
			continue
		}
		if out.Assembly == "" {
			out.Assembly = fmt.Sprint(iter.Ins)
		}
		break
	}
	if line == nil {
		return
	}
	src := engine.SourceLine{
		File: line.FileName(), Line: int(line.LineNumber()), Column: int(line.LineColumn()),
		Text: strings.TrimSpace(line.Line()),
	}
	// The log's own line wins where the two disagree: the spec's instructions
	// may have been rewritten on the way.
	if out.Source.Text == "" || out.Source.Text == src.Text {
		out.Source = src
	}
}
