package corpus

import (
	"fmt"
	"regexp"
	"strings"
)

// Pattern is an expected message. Between {{ and }} it is a POSIX extended regular
// expression, elsewhere verbatim text.
type Pattern struct {
	Text string
	// NextLine: the match must be on the line after the previous pattern's.
	NextLine bool

	re *regexp.Regexp // nil: verbatim
}

// ParsePattern reads a pattern.
func ParsePattern(text string, nextLine bool) (Pattern, error) {
	p := Pattern{Text: text, NextLine: nextLine}
	if !strings.Contains(text, "{{") {
		return p, nil
	}
	// As regcomp(3) with REG_NEWLINE: neither a dot nor a negated set matches the
	// end of a line, anchors match at every line.
	var b strings.Builder
	b.WriteString("(?m)")
	for rest := text; rest != ""; {
		plain, after, found := strings.Cut(rest, "{{")
		b.WriteString(regexp.QuoteMeta(plain))
		if !found {
			break
		}
		expr, after, closed := strings.Cut(after, "}}")
		if !closed {
			return p, fmt.Errorf("pattern %q: {{ without }}", text)
		}
		b.WriteString(strings.ReplaceAll(expr, "[^", `[^\n`))
		rest = after
	}
	re, err := regexp.Compile(b.String())
	if err != nil {
		return p, fmt.Errorf("pattern %q: %w", text, err)
	}
	re.Longest() // as POSIX matches
	p.re = re
	return p, nil
}

// find is where the pattern matches in text, or -1.
func (p *Pattern) find(text string) (start, end int) {
	if p.re == nil {
		i := strings.Index(text, p.Text)
		return i, i + len(p.Text)
	}
	if m := p.re.FindStringIndex(text); m != nil {
		return m[0], m[1]
	}
	return -1, -1
}

// Match looks for the patterns in a log, each behind the end of the one before. It
// returns how many were found; all of them is a match.
func Match(log string, patterns []Pattern) int {
	pos, line, lineAt := 0, 0, 0 // lines are counted up to lineAt
	for i := range patterns {
		p := &patterns[i]
		start, end := p.find(log[pos:])
		if start < 0 {
			return i
		}
		start, end = pos+start, pos+end
		was := line
		if start > lineAt {
			line += strings.Count(log[lineAt:start], "\n")
			lineAt = start
		}
		if p.NextLine && i > 0 && line != was+1 {
			return i
		}
		pos = end
	}
	return len(patterns)
}
