package selftests

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"
)

// Folders of the tree.
const (
	bpfTests = "tools/testing/selftests/bpf"
	progs    = bpfTests + "/progs"
	libbpf   = "tools/lib/bpf"
	helpers  = "scripts/bpf_doc.py"
)

// maxFile bounds what one file of the tree may have; the largest kept has about 300 kB.
const maxFile = 16 << 20

// keep says under which name a file of the source package is kept, if it is: the
// tests' programs and the headers they include.
func keep(name string) (string, bool) {
	_, name, ok := strings.Cut(path.Clean(name), "/") // linux-source-6.12/
	if !ok || !filepath.IsLocal(filepath.FromSlash(name)) {
		return "", false
	}
	ext := path.Ext(name)
	switch {
	case name == helpers:
		return name, true
	case path.Dir(name) == progs && ext == ".c":
		return name, true
	case ext != ".h":
		return "", false
	case strings.HasPrefix(name, bpfTests+"/"), path.Dir(name) == libbpf, strings.HasPrefix(name, "tools/include/"):
		return name, true
	}
	return "", false
}

// unpack takes what is kept of a source package into dir, which it makes. The
// package is an archive that holds one compressed archive.
func unpack(ctx context.Context, deb, dir string) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	outer := exec.CommandContext(ctx, "dpkg-deb", "--fsys-tarfile", deb)
	pkg, err := outer.StdoutPipe()
	if err != nil {
		return err
	}
	if err := outer.Start(); err != nil {
		return fmt.Errorf("unpack %s: %w", filepath.Base(deb), err)
	}
	rerr := unpackPackage(ctx, pkg, dir)
	cancel() // what follows the source is of no interest
	if werr := outer.Wait(); rerr != nil {
		return fmt.Errorf("unpack %s: %w", filepath.Base(deb), errors.Join(rerr, werr))
	}
	return nil
}

func unpackPackage(ctx context.Context, pkg io.Reader, dir string) error {
	for tr := tar.NewReader(pkg); ; {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			return fmt.Errorf("no compressed source in it")
		}
		if err != nil {
			return err
		}
		if path.Dir(path.Clean("/"+h.Name)) == "/usr/src" && strings.HasSuffix(h.Name, ".tar.xz") {
			return unpackSource(ctx, tr, dir)
		}
	}
}

func unpackSource(ctx context.Context, compressed io.Reader, dir string) error {
	xz := exec.CommandContext(ctx, "xz", "-dc", "-T0")
	xz.Stdin = compressed
	out, err := xz.StdoutPipe()
	if err != nil {
		return err
	}
	if err := xz.Start(); err != nil {
		return err
	}
	rerr := unpackTar(out, dir)
	_, _ = io.Copy(io.Discard, out) // the writer must reach its end
	return errors.Join(rerr, xz.Wait())
}

func unpackTar(r io.Reader, dir string) error {
	for tr := tar.NewReader(r); ; {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		name, ok := keep(h.Name)
		if !ok || h.Typeflag != tar.TypeReg {
			continue
		}
		if h.Size > maxFile {
			return fmt.Errorf("%s has %d bytes", name, h.Size)
		}
		data, err := io.ReadAll(tr)
		if err != nil {
			return err
		}
		file := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(file, data, 0o644); err != nil {
			return err
		}
	}
}
