package interp

// Flush makes code that was just written to [at, end) fit to run.
func Flush(at, end uintptr) { flush(at, end) }

//go:noescape
func flush(at, end uintptr)
