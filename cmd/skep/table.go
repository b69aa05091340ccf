package main

import (
	"io"
	"strings"
	"unicode/utf8"
)

// table is text in columns. A column is as wide as its widest cell; the last
// one is not padded, so that no line ends in blanks.
type table struct {
	// right tells which columns are numbers, aligned to the right.
	right []bool
	rows  [][]cell
	// indent stands before each line.
	indent string
}

type cell struct{ text, style string }

// newTable makes a table from headings; those that begin with "<" are columns
// aligned to the right.
func newTable(headings ...string) *table {
	t := &table{}
	row := make([]cell, len(headings))
	for i, h := range headings {
		text, right := strings.CutPrefix(h, "<")
		t.right = append(t.right, right)
		row[i] = cell{text, bold}
	}
	t.rows = append(t.rows, row)
	return t
}

func (t *table) add(texts ...string) {
	row := make([]cell, len(texts))
	for i, text := range texts {
		row[i].text = text
	}
	t.rows = append(t.rows, row)
}

func (t *table) addCells(cells ...cell) { t.rows = append(t.rows, cells) }

func (t *table) write(s *streams, w io.Writer) error {
	var widths []int
	for _, row := range t.rows {
		for i, c := range row {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], utf8.RuneCountInString(c.text))
		}
	}
	var b strings.Builder
	for _, row := range t.rows {
		line := t.indent
		for i, c := range row {
			gap := strings.Repeat(" ", widths[i]-utf8.RuneCountInString(c.text))
			if i > 0 {
				line += "  "
			}
			if i < len(t.right) && t.right[i] {
				line += gap + s.paint(c.style, c.text)
			} else {
				line += s.paint(c.style, c.text) + gap
			}
		}
		b.WriteString(strings.TrimRight(line, " "))
		b.WriteByte('\n')
	}
	_, err := io.WriteString(w, b.String())
	return err
}
