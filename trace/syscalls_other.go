//go:build !amd64

package trace

// syscallNames are known for x86-64 only: other processors print numbers.
var syscallNames map[int]string
