package interp

import "runtime"

func yieldCPU() { runtime.Gosched() }
