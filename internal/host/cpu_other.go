//go:build !linux

package host

import "runtime"

// NumPossibleCPUs is how many CPUs this process can use; systems other than
// Linux do not tell how many may be added.
func NumPossibleCPUs() (int, error) { return runtime.NumCPU(), nil }
