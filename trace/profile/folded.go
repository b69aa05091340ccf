package profile

import (
	"bufio"
	"fmt"
	"io"
	"sort"
	"strconv"
	"strings"
)

// WriteFolded writes a line per stack, frames from the outermost separated by
// semicolons, then the value with the given index: the form that flame graph
// tools read. The first frame is the process's name; kernel functions end with
// "_[k]", inlined ones with "_[i]".
func (p *Profile) WriteFolded(w io.Writer, value int) error {
	sums := map[string]int64{}
	for _, s := range p.Samples {
		if s.Values[value] != 0 {
			sums[s.folded()] += s.Values[value]
		}
	}
	lines := make([]string, 0, len(sums))
	for l := range sums {
		lines = append(lines, l)
	}
	sort.Strings(lines)
	b := bufio.NewWriter(w)
	for _, l := range lines {
		fmt.Fprintf(b, "%s %d\n", l, sums[l])
	}
	return b.Flush()
}

func (s *Sample) folded() string {
	var b strings.Builder
	b.WriteString(foldedName(s.Comm))
	if s.TID != 0 {
		fmt.Fprintf(&b, "-%d/%d", s.PID, s.TID)
	}
	for _, f := range s.Stack {
		b.WriteByte(';')
		b.WriteString(foldedName(f.Name))
		switch {
		case f.Kernel:
			b.WriteString("_[k]")
		case f.Inlined:
			b.WriteString("_[i]")
		}
	}
	return b.String()
}

// foldedName keeps what separates frames and lines out of a name.
func foldedName(s string) string {
	return strings.NewReplacer(";", ":", "\n", " ", "\r", " ").Replace(s)
}

// Limits of ReadFolded.
const (
	maxFoldedLine  = 1 << 20
	maxFoldedLines = 1 << 20
	maxFrames      = 4096
)

// ReadFolded reads what WriteFolded and others write. Both values are the
// line's; the first frame is taken for the process's name.
func ReadFolded(r io.Reader) (*Profile, error) {
	p := &Profile{Kind: "folded", Types: [2]ValueType{{"samples", "count"}, {"samples", "count"}}}
	sc := bufio.NewScanner(r)
	sc.Buffer(nil, maxFoldedLine)
	for n := 1; sc.Scan(); n++ {
		line := strings.TrimSpace(sc.Text())
		if line == "" || line[0] == '#' {
			continue
		}
		i := strings.LastIndexByte(line, ' ')
		if i < 0 {
			return nil, fmt.Errorf("line %d: want FRAME;FRAME… COUNT", n)
		}
		v, err := strconv.ParseInt(line[i+1:], 10, 64)
		if err != nil || v < 0 {
			return nil, fmt.Errorf("line %d: %q is no count", n, line[i+1:])
		}
		frames := strings.Split(strings.TrimSpace(line[:i]), ";")
		if len(frames) > maxFrames || len(p.Samples) >= maxFoldedLines {
			return nil, fmt.Errorf("line %d: more than %d frames or %d lines", n, maxFrames, maxFoldedLines)
		}
		s := Sample{Comm: frames[0], Values: [2]int64{v, v}}
		for _, f := range frames[1:] {
			fr := Frame{Name: f}
			if name, ok := strings.CutSuffix(f, "_[k]"); ok {
				fr = Frame{Name: name, Kernel: true, Module: "[kernel]"}
			} else if name, ok := strings.CutSuffix(f, "_[i]"); ok {
				fr = Frame{Name: name, Inlined: true}
			}
			s.Stack = append(s.Stack, fr)
		}
		p.Samples = append(p.Samples, s)
	}
	if err := sc.Err(); err != nil {
		return nil, err
	}
	return p, nil
}
