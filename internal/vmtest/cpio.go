package vmtest

import (
	"fmt"
	"io"
	"io/fs"
	"path"
	"strings"
)

// archive writes a cpio archive in the "newc" format, which the kernel unpacks
// as its first file system (Documentation/driver-api/early-userspace/buffer-format.rst,
// Linux 6.18). Entries have no owner but root and no time, so that equal
// contents make equal archives.
type archive struct {
	w    io.Writer
	n    int64
	ino  uint32
	dirs map[string]bool
	err  error
}

func newArchive(w io.Writer) *archive {
	return &archive{w: w, dirs: map[string]bool{"": true, ".": true}}
}

// Types in the mode of an entry.
const (
	modeDir  = 0o040000
	modeFile = 0o100000
	modeChar = 0o020000
)

// dir makes a directory and those above it.
func (a *archive) dir(name string) {
	name = strings.Trim(path.Clean(name), "/")
	if a.dirs[name] {
		return
	}
	a.dir(path.Dir(name))
	a.dirs[name] = true
	a.entry(name, modeDir|0o755, 0, 0, nil)
}

// file makes a file, and the directories above it.
func (a *archive) file(name string, perm fs.FileMode, data []byte) {
	name = strings.Trim(path.Clean(name), "/")
	a.dir(path.Dir(name))
	a.entry(name, modeFile|uint32(perm.Perm()), 0, 0, data)
}

// device makes a character device.
func (a *archive) device(name string, major, minor uint32) {
	name = strings.Trim(path.Clean(name), "/")
	a.dir(path.Dir(name))
	a.entry(name, modeChar|0o600, major, minor, nil)
}

// entry writes one header, name and content, each padded to 4 bytes.
func (a *archive) entry(name string, mode, major, minor uint32, data []byte) {
	a.ino++
	if int64(len(data)) > 1<<32-1 {
		a.fail(fmt.Errorf("cpio: %s is too large", name))
		return
	}
	a.printf("070701%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%s\x00",
		a.ino, mode, 0, 0, 1, 0, len(data), 0, 0, major, minor, len(name)+1, 0, name)
	a.pad()
	a.write(data)
	a.pad()
}

// close writes the end and returns the first error there was.
func (a *archive) close() error {
	a.ino = 0
	a.entryTrailer()
	return a.err
}

func (a *archive) entryTrailer() {
	const name = "TRAILER!!!"
	a.printf("070701%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%s\x00",
		0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, len(name)+1, 0, name)
	a.pad()
}

func (a *archive) pad() {
	if r := a.n % 4; r != 0 {
		a.write(make([]byte, 4-r))
	}
}

func (a *archive) printf(format string, args ...any) { a.write(fmt.Appendf(nil, format, args...)) }

func (a *archive) write(b []byte) {
	if a.err != nil {
		return
	}
	n, err := a.w.Write(b)
	a.n += int64(n)
	a.fail(err)
}

func (a *archive) fail(err error) {
	if a.err == nil {
		a.err = err
	}
}
