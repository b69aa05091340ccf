//go:build !linux

package symbol

import (
	"errors"
	"fmt"
	"os"
	"runtime"
)

// fileKey tells files apart.
type fileKey struct {
	inode uint64
	name  string
}

func openRegular(path string) (*os.File, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	if st, err := f.Stat(); err != nil || !st.Mode().IsRegular() {
		f.Close()
		return nil, fmt.Errorf("open %s: no regular file", path)
	}
	return f, nil
}

func keyOf(f *os.File) (fileKey, error) { return fileKey{name: f.Name()}, nil }

func openRoot(int) (*os.File, error) {
	return nil, errors.New("processes cannot be looked into on " + runtime.GOOS)
}
