package vmtest

import (
	"archive/tar"
	"bytes"
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

// maxImage bounds what one file of a package may have: kernels have about 12 MB.
const maxImage = 256 << 20

// keep says under which name a file of a kernel package is kept: the image and
// the modules of the network, which is what tests ask for.
func keep(name string) (string, bool) {
	name = strings.TrimPrefix(path.Clean("/"+name), "/")
	name = strings.TrimPrefix(name, "usr/")
	base := path.Base(name)
	switch {
	case path.Dir(name) == "boot" && strings.HasPrefix(base, "vmlinuz-"):
		return base, true
	case !strings.HasPrefix(name, "lib/modules/"):
		return "", false
	case !strings.HasSuffix(moduleName(base), ".ko"):
		return "", false
	case strings.Contains(name, "/kernel/net/"), strings.Contains(name, "/kernel/lib/"),
		strings.Contains(name, "/kernel/crypto/"), path.Dir(name) != name && strings.HasSuffix(path.Dir(name), "/kernel/drivers/net"):
		return path.Join("modules", base), true
	}
	return "", false
}

// moduleName is a module's file name without compression.
func moduleName(base string) string {
	return strings.TrimSuffix(strings.TrimSuffix(base, ".xz"), ".zst")
}

// unpack takes what is kept of a package into dir, which it makes.
func unpack(ctx context.Context, deb, dir string) error {
	cmd := exec.CommandContext(ctx, "dpkg-deb", "--fsys-tarfile", deb)
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("unpack %s: %w", filepath.Base(deb), err)
	}
	rerr := unpackTar(ctx, out, dir)
	_, _ = io.Copy(io.Discard, out) // the writer must reach its end
	if err := errors.Join(rerr, cmd.Wait()); err != nil {
		return fmt.Errorf("unpack %s: %w", filepath.Base(deb), err)
	}
	return nil
}

func unpackTar(ctx context.Context, r io.Reader, dir string) error {
	if err := os.MkdirAll(filepath.Join(dir, "modules"), 0o755); err != nil {
		return err
	}
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
		data, err := io.ReadAll(io.LimitReader(tr, maxImage))
		if err != nil {
			return err
		}
		if data, err = decompress(ctx, name, data); err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(dir, moduleName(name)), data, 0o644); err != nil {
			return err
		}
	}
}

// decompress undoes what newer packages do to modules.
func decompress(ctx context.Context, name string, data []byte) ([]byte, error) {
	tool := map[string]string{".xz": "xz", ".zst": "zstd"}[path.Ext(name)]
	if tool == "" {
		return data, nil
	}
	cmd := exec.CommandContext(ctx, tool, "-dc")
	cmd.Stdin = bytes.NewReader(data)
	out, err := cmd.Output()
	if errors.Is(err, exec.ErrNotFound) {
		return nil, fmt.Errorf("%s is missing: modules are compressed with it (apt-get install %s)", tool, map[string]string{"xz": "xz-utils", "zstd": "zstd"}[tool])
	}
	return out, err
}
