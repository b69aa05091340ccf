// Breadth says what the embedded engine lacks for the objects below a folder,
// the most frequent first.
//
//	go run ./embedded/internal/breadth/cmd/breadth [-examples 3] FOLDER
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"

	"github.com/skepdev/skep/embedded"
	"github.com/skepdev/skep/embedded/internal/breadth"
)

func main() {
	examples := flag.Int("examples", 0, "programs and maps to name for each reason")
	flag.Parse()
	if err := run(flag.Arg(0), *examples); err != nil {
		fmt.Fprintln(os.Stderr, "breadth:", err)
		os.Exit(1)
	}
}

func run(dir string, examples int) (err error) {
	if dir == "" {
		return errors.New("name a folder of objects")
	}
	eng, err := embedded.New(embedded.Config{})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, eng.Close()) }()
	r, err := breadth.Survey(context.Background(), eng, dir)
	if err != nil {
		return err
	}
	return r.Print(os.Stdout, examples)
}
