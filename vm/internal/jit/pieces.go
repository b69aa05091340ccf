package jit

import (
	"fmt"

	"github.com/skepdev/skep/vm/internal/interp"
)

// Piece is machine code and the slot it was made for, -1 for what surrounds
// the program. Aside says that it stands away from the other pieces.
type Piece struct {
	Slot, Offset int
	Aside        bool
	Bytes        []byte
}

// mark is where the code for a slot begins.
type mark struct {
	slot, at int
	aside    bool
}

// at notes that what comes now is for slot i.
func (c *compiler) at(i int, aside bool) {
	c.slot = i
	c.marks = append(c.marks, mark{i, c.Pos(), aside})
}

// later has code for the present slot written away from here.
func (c *compiler) later(f func()) {
	i := c.slot
	c.stubs = append(c.stubs, func() {
		c.at(i, true)
		f()
	})
}

// Pieces compiles a program for a processor and takes the code apart. The code
// is not run.
func Pieces(p *interp.Program, arch string) ([]Piece, error) {
	if arch != "amd64" && arch != "arm64" {
		return nil, fmt.Errorf("no compiler for %q: there is amd64 and arm64", arch)
	}
	c := compile(p, assembler(arch, false), nil)
	if c.Err() != nil {
		c = compile(p, assembler(arch, true), nil)
	}
	if err := c.Err(); err != nil {
		return nil, err
	}
	var out []Piece
	code := c.Code()
	for i, m := range c.marks {
		end := len(code)
		if i+1 < len(c.marks) {
			end = c.marks[i+1].at
		}
		if end > m.at {
			out = append(out, Piece{m.slot, m.at, m.aside, code[m.at:end]})
		}
	}
	return out, nil
}

// places are the marks for finding the slot of an address.
func (c *compiler) places() []interp.NativePlace {
	out := make([]interp.NativePlace, 0, len(c.marks))
	for _, m := range c.marks {
		out = append(out, interp.NativePlace{At: uint32(m.at), Slot: int32(m.slot)})
	}
	return out
}
