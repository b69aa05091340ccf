//go:build !linux

// Init is the first process of a test machine, which runs Linux.
package main

import (
	"fmt"
	"os"
)

func main() {
	fmt.Fprintln(os.Stderr, "init runs on Linux only")
	os.Exit(1)
}
