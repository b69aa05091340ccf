//go:build linux

package kernel

import (
	"context"
	"errors"
	"strings"

	"github.com/cilium/ebpf/asm"

	"github.com/skepdev/skep/engine"
)

// probeHelper loads a program that calls the helper with nothing in its
// arguments but the context. A verifier that knows the helper complains about
// the arguments, or about nothing; one that does not says so.
func (e *Engine) probeHelper(ctx context.Context, f engine.Feature) error {
	if err := e.probeProgram(ctx, f.Program); err != nil {
		return err
	}
	spec := smallest(f.Program)
	if spec == nil {
		return notSupported(f.String(), "programs of that type have the helpers of what they replace", "", nil)
	}
	spec.Instructions = append(asm.Instructions{
		asm.Mov.Imm(asm.R2, 0), asm.Mov.Imm(asm.R3, 0), asm.Mov.Imm(asm.R4, 0), asm.Mov.Imm(asm.R5, 0),
		f.Helper.Call(),
	}, spec.Instructions...)
	coll, err := e.loadOne(ctx, spec)
	if err == nil {
		return coll.Close()
	}
	var rejected *engine.VerifierError
	if !errors.As(err, &rejected) {
		return err
	}
	for _, line := range rejected.Log {
		if isUnknownHelper(line) {
			return notSupported(f.String(), "the verifier says: "+strings.TrimSpace(line), "", nil)
		}
	}
	return nil
}

// isUnknownHelper: what verifiers of Linux 4.18 to 6.18 say about helpers they
// do not know, or not in this type of program.
func isUnknownHelper(line string) bool {
	for _, s := range []string{
		"unknown func ", "invalid func ", "program of this type cannot use helper", "helper call is not allowed in probe",
	} {
		if strings.Contains(line, s) {
			return true
		}
	}
	return false
}
