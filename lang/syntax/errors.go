package syntax

import (
	"errors"
	"fmt"
	"strings"
)

// Severity tells errors from warnings.
type Severity int

// Severities.
const (
	SevError Severity = iota
	SevWarning
)

func (s Severity) String() string {
	if s == SevWarning {
		return "WARNING"
	}
	return "ERROR"
}

// Error is a message about a place in a script.
type Error struct {
	File     *File
	Span     Span
	Severity Severity
	Msg      string
	// Hint says how to mend it; may have several lines, or be empty.
	Hint string
}

// Error is the message's first line: place, severity, reason.
func (e *Error) Error() string {
	if e.File == nil {
		return fmt.Sprintf("%s: %s", e.Severity, e.Msg)
	}
	return fmt.Sprintf("%s: %s: %s", e.File.Where(e.Span), e.Severity, e.Msg)
}

// Format is the whole message: first line, source with its mark, hint.
func (e *Error) Format() string {
	var b strings.Builder
	b.WriteString(e.Error())
	b.WriteByte('\n')
	if e.File != nil {
		for _, l := range e.File.Context(e.Span) {
			b.WriteString(l)
			b.WriteByte('\n')
		}
	}
	for line := range strings.Lines(e.Hint) {
		if !strings.HasPrefix(line, " ") { // lines that go on have no word before them
			b.WriteString("HINT: ")
		}
		b.WriteString(strings.TrimRight(line, "\n"))
		b.WriteByte('\n')
	}
	return b.String()
}

// Errors are several messages.
type Errors []*Error

func (l Errors) Error() string {
	var s []string
	for _, e := range l {
		s = append(s, e.Error())
	}
	return strings.Join(s, "\n")
}

// FormatError prints err with its source and hints if it carries any.
func FormatError(err error) string {
	var list Errors
	var one *Error
	switch {
	case errors.As(err, &list):
		var b strings.Builder
		for _, e := range list {
			b.WriteString(e.Format())
		}
		return b.String()
	case errors.As(err, &one):
		return one.Format()
	}
	return "ERROR: " + err.Error() + "\n"
}
