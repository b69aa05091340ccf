package trace

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/skepdev/skep/lang"
)

// ParseFormat reads a tracepoint's format file. The fields that all
// tracepoints have come first.
func ParseFormat(text string) ([]lang.TracepointField, error) {
	var out []lang.TracepointField
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if !strings.HasPrefix(line, "field:") {
			continue
		}
		f, err := formatField(line)
		if err != nil {
			return nil, err
		}
		out = append(out, f)
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("no fields in the format")
	}
	return out, nil
}

// formatField reads "field:char comm[16];\toffset:8;\tsize:16;\tsigned:0;".
func formatField(line string) (f lang.TracepointField, err error) {
	for part := range strings.SplitSeq(line, ";") {
		key, val, ok := strings.Cut(strings.TrimSpace(part), ":")
		if !ok {
			continue
		}
		switch key {
		case "field":
			f.Type, f.Name = splitDecl(val)
		case "offset":
			f.Offset, err = strconv.Atoi(val)
		case "size":
			f.Size, err = strconv.Atoi(val)
		case "signed":
			f.Signed = val == "1"
		}
		if err != nil || f.Offset < 0 || f.Size < 0 || f.Offset > 1<<16 || f.Size > 1<<16 {
			return f, fmt.Errorf("cannot read field %q", line)
		}
	}
	if f.Name == "" {
		return f, fmt.Errorf("cannot read field %q", line)
	}
	return f, nil
}

// splitDecl cuts a C declaration: "char comm[16]" is "char[16]" and "comm".
func splitDecl(s string) (typ, name string) {
	s = strings.TrimSpace(s)
	suffix := ""
	if i := strings.IndexByte(s, '['); i >= 0 && !strings.HasPrefix(s, "__data_loc") {
		s, suffix = s[:i], s[i:]
	}
	i := len(s)
	for i > 0 && (s[i-1] == '_' || s[i-1]|0x20 >= 'a' && s[i-1]|0x20 <= 'z' || s[i-1] >= '0' && s[i-1] <= '9') {
		i--
	}
	return strings.TrimSpace(s[:i]) + suffix, s[i:]
}
