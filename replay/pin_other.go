//go:build !linux

package replay

// pinCPU does nothing where only the embedded engine runs: its virtual CPUs
// are not the machine's.
func pinCPU() (undo func()) { return func() {} }
