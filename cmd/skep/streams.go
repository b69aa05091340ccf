package main

import (
	"io"
	"os"

	"golang.org/x/term"
)

// streams are what a command reads and writes, and what is known about them.
type streams struct {
	in       io.Reader
	out, err io.Writer
	// terminal and errTerminal: somebody looks at out and err.
	terminal, errTerminal bool
	// colour is wanted on out.
	colour bool
}

func newStreams(in, out, err *os.File) *streams {
	s := &streams{in: in, out: out, err: err}
	s.terminal = term.IsTerminal(int(out.Fd()))
	s.errTerminal = term.IsTerminal(int(err.Fd()))
	// https://no-color.org: any value that is not empty switches colours off.
	s.colour = s.terminal && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
	return s
}

// Terminal colours that are readable on light and dark backgrounds.
const (
	bold  = "\x1b[1m"
	dim   = "\x1b[2m"
	red   = "\x1b[31m"
	green = "\x1b[32m"
	plain = "\x1b[0m"
)

// paint colours text if colours are wanted.
func (s *streams) paint(style, text string) string {
	if !s.colour || text == "" || style == "" {
		return text
	}
	return style + text + plain
}
