//go:build !linux

package differ

import (
	"errors"

	"github.com/skepdev/skep/verifier"
)

// OursAndKernel returns a function that says that there is no kernel to compare
// with here.
func OursAndKernel(verifier.Privilege, string) func() (*Pair, error) {
	return func() (*Pair, error) { return nil, errors.New("needs Linux: the running kernel is asked") }
}
