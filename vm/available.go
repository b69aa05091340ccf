package vm

import (
	"github.com/skepdev/skep/abi"
	"github.com/skepdev/skep/isa"
	"github.com/skepdev/skep/vm/internal/helpers"
	vmmaps "github.com/skepdev/skep/vm/internal/maps"
)

// ProgramTypeMissing says why programs of type t cannot be loaded, or "".
func ProgramTypeMissing(t abi.ProgramType) string {
	if helpers.Runnable(t) {
		return ""
	}
	return noHook(t)
}

// HelperMissing says why a program of type t, with every licence and right,
// cannot call a helper, or "".
func HelperMissing(t abi.ProgramType, id abi.HelperID) string {
	_, why := helpers.Find(t, id, helpers.Traits{GPL: true, Sleepable: true})
	return why
}

// KfuncMissing says why a program of type t cannot call the kernel function of
// that name, or "".
func KfuncMissing(t abi.ProgramType, name string) string {
	_, why := helpers.FindKfunc(t, name, 0)
	return why
}

// MapTypeMissing says why there are no maps of type t, or "".
func MapTypeMissing(t abi.MapType) string { return vmmaps.Missing(t) }

// Pass is the program that returns 0 at once.
func Pass() []isa.Instruction { return []isa.Instruction{{Op: isa.MovK}, {Op: isa.Exit}} }
