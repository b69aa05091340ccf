package symbol

import (
	"bytes"
	"fmt"
	"io"
	"os"
)

// Binary is the file behind a mapping. The caller closes it.
type Binary struct {
	io.ReaderAt
	// ID is the same for the same content: the build id, or where there is none
	// the file's place on its file system.
	ID  string
	src *os.File
}

// Close is safe on nil and twice.
func (b *Binary) Close() error {
	if b == nil || b.src == nil {
		return nil
	}
	src := b.src
	b.src = nil
	return src.Close()
}

// Open opens the binary behind a mapping of a process; of the vdso, too.
func (s *Symbolizer) Open(pid int, m Mapping) (*Binary, error) {
	if m.Path == "[vdso]" {
		code, err := readVDSO()
		if err != nil {
			return nil, err
		}
		return &Binary{ReaderAt: bytes.NewReader(code), ID: m.Path}, nil
	}
	if !m.IsFile() {
		return nil, fmt.Errorf("no file behind %#x-%#x", m.Start, m.End)
	}
	s.mu.Lock()
	src, err := s.process(pid).open(m)
	s.mu.Unlock()
	if err != nil {
		return nil, err
	}
	img, err := newImage(m.Path, src)
	if err != nil {
		src.Close()
		return nil, err
	}
	id := img.buildID()
	if id == "" {
		key, err := keyOf(src)
		if err != nil {
			src.Close()
			return nil, err
		}
		id = fmt.Sprintf("%+v", key)
	}
	return &Binary{ReaderAt: src, ID: id, src: src}, nil
}
