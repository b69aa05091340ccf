package agent

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/skepdev/skep/internal/strictyaml"
	"github.com/skepdev/skep/net/service"
)

// files are the resource files there are, and what was read of them.
type files struct {
	roots    []string
	optional bool // roots need not be there
	known    map[string]stamp
}

// stamp tells versions of a file apart.
type stamp struct {
	modified time.Time
	size     int64
}

// file is one version of a file: what it says, or why that cannot be told. A
// file that is gone says nothing.
type file struct {
	path      string
	resources []service.Resource
	err       error
}

func newFiles(roots []string) *files {
	return &files{roots: roots, known: map[string]stamp{}}
}

func resourceName(name string) bool {
	if strings.HasPrefix(name, ".") {
		return false
	}
	return slices.Contains([]string{".yaml", ".yml", ".json"}, filepath.Ext(name))
}

// scan returns the files that changed since the last scan, in order. Roots that
// cannot be read are an error; in that case nothing is known to have changed.
func (f *files) scan() ([]*file, error) {
	now := map[string]stamp{}
	for _, root := range f.roots {
		st, err := os.Stat(root)
		if err != nil {
			if f.optional && errors.Is(err, fs.ErrNotExist) {
				continue
			}
			return nil, fmt.Errorf("read resources: %w", err)
		}
		if !st.IsDir() {
			now[root] = stamp{st.ModTime(), st.Size()}
			continue
		}
		entries, err := os.ReadDir(root)
		if err != nil {
			return nil, fmt.Errorf("read resources: %w", err)
		}
		for _, e := range entries {
			// Stat follows links: Kubernetes mounts volumes that way.
			path := filepath.Join(root, e.Name())
			if st, err := os.Stat(path); err == nil && st.Mode().IsRegular() && resourceName(e.Name()) {
				now[path] = stamp{st.ModTime(), st.Size()}
			}
		}
	}
	var changed []*file
	for path, s := range now {
		if f.known[path] != s {
			changed = append(changed, readFile(path))
		}
	}
	for path := range f.known {
		if _, ok := now[path]; !ok {
			changed = append(changed, &file{path: path})
		}
	}
	f.known = now
	slices.SortFunc(changed, func(a, b *file) int { return strings.Compare(a.path, b.path) })
	return changed, nil
}

func readFile(path string) *file {
	f := &file{path: path}
	st, err := os.Stat(path)
	if err == nil && st.Size() > strictyaml.MaxBytes {
		err = fmt.Errorf("%s: longer than %d MiB", path, strictyaml.MaxBytes>>20)
	}
	if err != nil {
		f.err = err
		return f
	}
	text, err := os.ReadFile(path)
	if err != nil {
		f.err = err
		return f
	}
	f.resources, f.err = service.Read(path, text)
	return f
}

// fileName makes a resource's key a file name; keys hold letters, digits, '-',
// '.' and two '/'.
func fileName(key string) string { return strings.ReplaceAll(key, "/", "_") + ".yaml" }
