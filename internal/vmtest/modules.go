package vmtest

import (
	"bytes"
	"debug/elf"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// moduleOrder lists the files of the wanted modules after those they need. A
// module that is not there is built in, or not to be had; the tests will say.
func moduleOrder(dir string, want []string) ([]string, error) {
	var order []string
	done := map[string]bool{}
	var visit func(name string) error
	visit = func(name string) error {
		name = strings.ReplaceAll(name, "-", "_")
		if done[name] {
			return nil
		}
		done[name] = true
		path, err := modulePath(dir, name)
		if err != nil || path == "" {
			return err
		}
		needs, err := moduleNeeds(path)
		if err != nil {
			return err
		}
		for _, n := range needs {
			if err := visit(n); err != nil {
				return err
			}
		}
		order = append(order, path)
		return nil
	}
	for _, name := range want {
		if err := visit(name); err != nil {
			return nil, err
		}
	}
	return order, nil
}

// modulePath finds a module, whose file may have dashes where its name has
// underscores; "" if there is none.
func modulePath(dir, name string) (string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return "", fmt.Errorf("modules: %w", err)
	}
	for _, e := range entries {
		if strings.ReplaceAll(strings.TrimSuffix(e.Name(), ".ko"), "-", "_") == name {
			return filepath.Join(dir, e.Name()), nil
		}
	}
	return "", nil
}

// moduleNeeds reads the names of the modules that one depends on from its
// section .modinfo.
func moduleNeeds(path string) ([]string, error) {
	f, err := elf.Open(path)
	if err != nil {
		return nil, fmt.Errorf("module %s: %w", filepath.Base(path), err)
	}
	defer f.Close()
	s := f.Section(".modinfo")
	if s == nil {
		return nil, fmt.Errorf("module %s: no .modinfo: %w", filepath.Base(path), fs.ErrInvalid)
	}
	data, err := s.Data()
	if err != nil {
		return nil, fmt.Errorf("module %s: %w", filepath.Base(path), err)
	}
	return dependsOf(data), nil
}

// dependsOf finds "depends=a,b" among strings that end with zero bytes.
func dependsOf(modinfo []byte) []string {
	for _, field := range bytes.Split(modinfo, []byte{0}) {
		list, ok := strings.CutPrefix(string(field), "depends=")
		if ok && list != "" {
			return strings.Split(list, ",")
		}
	}
	return nil
}
