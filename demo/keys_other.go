//go:build !unix

package demo

import "os"

// readsEnd says that readSome returns soon after stop was closed.
const readsEnd = false

// readSome reads what there is. The read under way when the view closes ends
// with the process.
func readSome(f *os.File, b []byte, _ <-chan struct{}) (int, error) { return f.Read(b) }
