package symbol

import (
	"bufio"
	"fmt"
	"io"
	"sort"
	"strconv"
	"strings"
)

// Mapping is one range of a process's address space that a file, or what
// stands in its place, is seen through.
type Mapping struct {
	// Start and End of the range; End is the first address after it.
	Start, End uint64
	// Offset of Start in the file, in bytes.
	Offset uint64
	// Inode of the file; 0 for what is no file.
	Inode uint64
	// Path as the process sees it, or a name in brackets: [vdso], [heap]; empty
	// for anonymous memory.
	Path string
	// Exec: the memory can be executed. Deleted: the file has no name any more.
	Exec, Deleted bool
}

// MaxMappings is how many mappings of a process are kept (the kernel's default
// limit, vm.max_map_count, is as large).
const MaxMappings = 65530

// ParseMaps reads /proc/PID/maps (Linux, Documentation/filesystems/proc.rst).
// Mappings come sorted by address.
func ParseMaps(r io.Reader) ([]Mapping, error) {
	var out []Mapping
	sc := bufio.NewScanner(r)
	for sc.Scan() && len(out) < MaxMappings {
		m, err := parseMapping(sc.Text())
		if err != nil {
			return nil, err
		}
		out = append(out, m)
	}
	sort.SliceStable(out, func(i, j int) bool { return out[i].Start < out[j].Start })
	return out, sc.Err()
}

// parseMapping reads a line: 7f00-7f10 r-xp 00001000 fe:01 1234   /usr/lib/x.so
func parseMapping(line string) (Mapping, error) {
	bad := func(what string) (Mapping, error) {
		return Mapping{}, fmt.Errorf("mapping %q: bad %s", line, what)
	}
	var f [5]string
	rest := line
	for i := range f {
		var ok bool
		if f[i], rest, ok = strings.Cut(rest, " "); !ok && i < 4 {
			return bad("number of fields")
		}
	}
	from, to, _ := strings.Cut(f[0], "-")
	var m Mapping
	var err error
	if m.Start, err = strconv.ParseUint(from, 16, 64); err != nil {
		return bad("start")
	}
	if m.End, err = strconv.ParseUint(to, 16, 64); err != nil || m.End <= m.Start {
		return bad("end")
	}
	if len(f[1]) != 4 {
		return bad("permissions")
	}
	m.Exec = f[1][2] == 'x'
	if m.Offset, err = strconv.ParseUint(f[2], 16, 64); err != nil {
		return bad("offset")
	}
	if m.Inode, err = strconv.ParseUint(f[4], 10, 64); err != nil {
		return bad("inode")
	}
	m.Path = unescape(strings.TrimLeft(rest, " "))
	if p, ok := strings.CutSuffix(m.Path, " (deleted)"); ok && m.Inode != 0 {
		m.Path, m.Deleted = p, true
	}
	return m, nil
}

// unescape undoes the kernel's octal form of line feeds in paths.
func unescape(s string) string {
	return strings.ReplaceAll(s, `\012`, "\n")
}

// IsFile says whether a file stands behind the mapping.
func (m Mapping) IsFile() bool {
	return strings.HasPrefix(m.Path, "/") && !strings.HasPrefix(m.Path, "//anon") && m.Inode != 0
}

// find is the mapping that holds addr, of mappings sorted by address.
func find(ms []Mapping, addr uint64) (Mapping, bool) {
	i := sort.Search(len(ms), func(i int) bool { return ms[i].End > addr })
	if i == len(ms) || ms[i].Start > addr {
		return Mapping{}, false
	}
	return ms[i], true
}
