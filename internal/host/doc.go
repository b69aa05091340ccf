// Package host is what the runtime needs from the machine below it: memory
// outside Go's heap, the number of CPUs, and the clocks of the system.
//
// Memory from this package never moves and is unknown to the garbage
// collector: programs hold plain addresses into it. It must not hold Go
// pointers. It is zeroed, page-aligned, and given back by hand.
//
// Operating systems other than Linux, and Windows, are served by files of
// their own so that everything above compiles and runs there too.
package host
