//go:build !linux

package doctor

import "runtime"

// facts says what can be said about a machine that is not Linux.
func facts() []Fact {
	return []Fact{{
		Name: "system", Value: runtime.GOOS + " " + runtime.GOARCH, Missing: true,
		Gives:  "the kernel engine",
		Remedy: "run skep on Linux; the embedded engine works here",
	}}
}
