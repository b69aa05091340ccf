package helpers

import "github.com/skepdev/skep/abi"

// refused says why Linux would not let a program call a helper, or "".
func refused(abi.ProgramType, abi.HelperID, bool) string { return "" }
