package main

import (
	"errors"
	"fmt"
	"os"
)

// keepInputs refuses to write to a file that is read by the same command:
// making it would empty it first. Links to one file count as that file.
func keepInputs(out string, inputs ...string) error {
	if out == "" {
		return nil
	}
	if out == "-" {
		return usage(withHint(errors.New("write to -: not a file"), "leave the flag out, or name a file"))
	}
	target, err := os.Stat(out)
	if err != nil {
		return nil // not there yet, or making it will say why not
	}
	for _, in := range inputs {
		if st, err := os.Stat(in); err == nil && st.Mode().IsRegular() && os.SameFile(target, st) {
			return usage(withHint(fmt.Errorf("write to %s: it is an input (%s)", out, in), "name another file"))
		}
	}
	return nil
}
