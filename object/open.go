package object

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/btf"
)

// Options change how an object is opened. The zero value is good.
type Options struct {
	// Kconfig gives values of CONFIG_ variables as they stand in a kernel
	// configuration: y, n, m, a number, or a string in double quotes. They win
	// over the running kernel's.
	Kconfig map[string]string

	// KernelVersion is what LINUX_KERNEL_VERSION says, as KERNEL_VERSION(a,b,c)
	// counts: a<<16 + b<<8 + c. 0 means the running kernel's, or off Linux that
	// of [DefaultKernelVersion].
	KernelVersion uint32

	// AllowUnresolved leaves variables that cannot be resolved here at zero
	// instead of failing, for tools that look at an object without running it.
	AllowUnresolved bool

	// AnyByteOrder accepts objects of the other byte order, for tools that look
	// at an object without running it.
	AnyByteOrder bool
}

// OpenFile opens the object at path. See [Open].
func OpenFile(path string, opts *Options) (*ebpf.CollectionSpec, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("open object: %w", err)
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("open object: %w", err)
	}
	if st.IsDir() {
		return nil, fmt.Errorf("open object %s: is a directory", path)
	}
	if !st.Mode().IsRegular() {
		// Pipes and the like have no size and cannot be read twice.
		data, err := io.ReadAll(io.LimitReader(f, MaxFileSize+1))
		if err != nil {
			return nil, fmt.Errorf("open object %s: %w", path, err)
		}
		return named(path)(Open(bytes.NewReader(data), int64(len(data)), opts))
	}
	return named(path)(Open(f, st.Size(), opts))
}

func named(path string) func(*ebpf.CollectionSpec, error) (*ebpf.CollectionSpec, error) {
	return func(spec *ebpf.CollectionSpec, err error) (*ebpf.CollectionSpec, error) {
		if err != nil {
			return nil, fmt.Errorf("open object %s: %w", path, err)
		}
		return spec, nil
	}
}

// Open reads an object of size bytes. opts may be nil. The result needs nothing
// of r any more; it has no memory beyond the limits of this package, whatever
// the object says. Errors wrap an [*Error].
//
// Variables declared __kconfig are resolved: the returned spec has a read-only
// map ".kconfig" that holds their values, and the loads refer to it.
func Open(r io.ReaderAt, size int64, opts *Options) (*ebpf.CollectionSpec, error) {
	if opts == nil {
		opts = &Options{}
	}
	if size > MaxFileSize {
		return nil, &Error{What: fmt.Sprintf("the file has %d bytes, more than the %d allowed", size, MaxFileSize), Mend: "strip debug information with llvm-strip -g"}
	}
	data, err := io.ReadAll(io.NewSectionReader(r, 0, max(size, 0)))
	if err != nil {
		return nil, &Error{What: "cannot be read", Err: err}
	}
	return open(data, opts)
}

// open owns data and changes it.
func open(data []byte, opts *Options) (*ebpf.CollectionSpec, error) {
	im, err := readImage(data, opts.AnyByteOrder)
	if err != nil {
		return nil, err
	}
	im.completeSizes()
	arena := im.plainArena()
	for _, check := range checks() {
		if err := check(im); err != nil {
			return nil, err
		}
	}
	if arena {
		im.plainArenaType()
	}
	im.plainKsyms()
	im.plainValues()
	im.plainWeak()
	ext := im.externs()
	if err := ext.bindWeak(im); err != nil {
		return nil, err
	}
	spec, err := readSpec(im)
	if err != nil {
		return nil, err
	}
	if err := ext.annotate(spec, opts); err != nil {
		return nil, err
	}
	if err := placeArena(spec); err != nil {
		return nil, err
	}
	return spec, nil
}

// readSpec is the seam to cilium/ebpf's reader.
func readSpec(im *image) (spec *ebpf.CollectionSpec, err error) {
	defer contain("reading the object", &err)
	spec, err = ebpf.LoadCollectionSpecFromReader(bytes.NewReader(im.data))
	if err != nil {
		return nil, explain(err)
	}
	return spec, nil
}

// contain turns a panic of the reader into an error. The checks before it are
// meant to leave none; what still happens must not take the process down.
func contain(what string, err *error) {
	if r := recover(); r != nil {
		*err = &Error{What: fmt.Sprintf("BUG in the reader: %s panicked: %v", what, r), Mend: "please report the object"}
	}
}

// explain keeps the reader's own words, which name section and symbol, and says
// what they mean where that helps.
func explain(err error) error {
	e := &Error{What: "the object cannot be read", Err: err}
	switch {
	case errors.Is(err, btf.ErrNotFound):
		e.Mend = "compile with -g, which adds BTF"
	case errors.Is(err, ebpf.ErrNotSupported):
		e.What = "the object needs something that is not supported"
	}
	return e
}
