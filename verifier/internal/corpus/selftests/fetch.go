package selftests

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/skepdev/skep/internal/vmtest"
)

// Tree is what was kept of a kernel's source.
type Tree struct {
	// Dir holds the tree's files under their paths in the tree.
	Dir string
	// Package is Debian's name and version: "linux-source-6.12_6.12.117-1".
	Package string
}

// CacheDir is where trees and objects are kept.
func CacheDir() (string, error) {
	dir, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("selftests: no place for a cache: %w", err)
	}
	return filepath.Join(dir, "skep", "selftests"), nil
}

// ErrNotFetched is what [Cached] returns when there is no tree.
var ErrNotFetched = errors.New("the kernel's self-tests are not fetched (make verifier-corpus fetches them)")

// Cached is the tree of a version ("6.12") that was fetched before. It asks
// nobody.
func Cached(version, cache string) (*Tree, error) {
	dirs, err := filepath.Glob(filepath.Join(cache, packageName(version)+"_*"))
	if err != nil {
		return nil, fmt.Errorf("selftests: %w", err)
	}
	slices.Sort(dirs)
	for _, dir := range slices.Backward(dirs) {
		if _, err := os.Stat(filepath.Join(dir, progs)); err == nil {
			return &Tree{Dir: dir, Package: filepath.Base(dir)}, nil
		}
	}
	return nil, fmt.Errorf("selftests %s: %w", version, ErrNotFetched)
}

// Fetch is the tree of a version; from the cache, or else through apt.
func Fetch(ctx context.Context, version, cache string) (*Tree, error) {
	if !regexp.MustCompile(`^\d+\.\d+$`).MatchString(version) {
		return nil, fmt.Errorf("selftests: kernel version %q: want one like 6.12", version)
	}
	if t, err := Cached(version, cache); err == nil {
		return t, nil
	}
	if _, err := exec.LookPath("xz"); err != nil {
		return nil, fmt.Errorf("selftests: xz is missing: the source is packed with it (Debian: apt-get install xz-utils)")
	}
	if err := os.MkdirAll(cache, 0o755); err != nil {
		return nil, fmt.Errorf("selftests: %w", err)
	}
	want := packageName(version)
	pick := func(names []string) string {
		if slices.Contains(names, want) {
			return want
		}
		return ""
	}
	var tree *Tree
	err := vmtest.FetchPackage(ctx, cache, want, pick, func(_, deb string) error {
		id, _, _ := strings.Cut(strings.TrimSuffix(filepath.Base(deb), ".deb"), "~")
		id = strings.TrimSuffix(id, "_all")
		tmp := filepath.Join(filepath.Dir(deb), "tree")
		if err := unpack(ctx, deb, tmp); err != nil {
			return err
		}
		final := filepath.Join(cache, id)
		if err := os.Rename(tmp, final); err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
		tree = &Tree{Dir: final, Package: id}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("selftests: fetch %s: %w", want, err)
	}
	return tree, nil
}

func packageName(version string) string { return "linux-source-" + version }
