// Compat writes docs/compat.md: what of Linux's lists works on which engine.
//
//	go run ./embedded/internal/compat/cmd/compat
package main

import (
	"fmt"
	"os"

	"github.com/skepdev/skep/embedded/internal/compat"
)

func main() {
	text, err := compat.Generate()
	if err == nil {
		err = os.WriteFile(compat.Path, text, 0o644)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "compat:", err)
		os.Exit(1)
	}
}
