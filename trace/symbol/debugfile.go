package symbol

import (
	"bytes"
	"hash/crc32"
	"io"
	"path"
)

// debugNames are where a separate debug file may be, in the order in which gdb
// looks (gdb manual, "Debugging information in separate files"). dirs are the
// global directories, usually /usr/lib/debug.
func (m *image) debugNames(own string, dirs []string) []string {
	var out []string
	if id := m.buildID(); len(id) > 2 {
		for _, d := range dirs {
			out = append(out, path.Join(d, ".build-id", id[:2], id[2:]+".debug"))
		}
	}
	name, _ := m.debugLink()
	if name == "" {
		return out
	}
	dir := path.Dir(own)
	out = append(out, path.Join(dir, name), path.Join(dir, ".debug", name))
	for _, d := range dirs {
		out = append(out, path.Join(d, dir, name))
	}
	return out
}

// debugLink is what .gnu_debuglink says: the file's name and the CRC of its
// content.
func (m *image) debugLink() (name string, crc uint32) {
	b, err := m.section(m.Section(".gnu_debuglink"))
	if err != nil {
		return "", 0
	}
	i := bytes.IndexByte(b, 0)
	if i <= 0 || bytes.IndexByte(b[:i], '/') >= 0 {
		return "", 0
	}
	at := (i + 4) &^ 3
	if len(b) < at+4 {
		return "", 0
	}
	return string(b[:i]), m.ByteOrder.Uint32(b[at:])
}

// matches says whether a debug file belongs to this one: by build id, or where
// there is none by the checksum.
func (m *image) matches(debug *image, content io.Reader) bool {
	if id := m.buildID(); id != "" {
		return debug.buildID() == id
	}
	name, want := m.debugLink()
	if name == "" {
		return false
	}
	h := crc32.NewIEEE()
	if _, err := io.Copy(h, io.LimitReader(content, MaxSection*4)); err != nil {
		return false
	}
	return h.Sum32() == want
}
