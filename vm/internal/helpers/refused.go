package helpers

import (
	"fmt"

	"github.com/skepdev/skep/abi"
)

// Traits of a program that decide on the helpers it may call.
type Traits struct {
	// GPL says that its licence is compatible with the GPL.
	GPL bool
	// Sleepable is BPF_F_SLEEPABLE.
	Sleepable bool
}

// refused says why Linux would not let a program call a helper, or "".
func refused(t abi.ProgramType, id abi.HelperID, have Traits) string {
	h := abi.HelperByID(id)
	if h == nil {
		return fmt.Sprintf("helper %d does not exist", uint32(id))
	}
	_, flags, ok := h.Prototype(t)
	switch {
	case !ok:
		return fmt.Sprintf("helper %s (id %d) is not for %s programs", id, uint32(id), t)
	case flags&abi.HelperGPL != 0 && !have.GPL:
		return fmt.Sprintf("helper %s (id %d) is for programs with a GPL-compatible license", id, uint32(id))
	case flags&abi.HelperSleeps != 0 && !have.Sleepable:
		return fmt.Sprintf("helper %s (id %d) is for sleepable programs", id, uint32(id))
	}
	return ""
}
