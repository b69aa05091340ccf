package helpers

import (
	"github.com/skepdev/skep/abi"
	"github.com/skepdev/skep/vm/internal/interp"
)

// poisoned is what loaders put in the place of code that rests on something
// the target kernel does not have (libbpf's choice of a number). It stands
// behind a check that is false there, so it may be loaded but not run.
const poisoned = abi.HelperID(0xbad2310)

func runPoisoned(t *interp.Thread) uint64 {
	t.Fail("this code needs something that the target does not have (CO-RE, or a weak symbol)")
	return 0
}
