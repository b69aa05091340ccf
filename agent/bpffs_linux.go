package agent

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// MountPins makes dir a place for pins: it mounts a bpffs there unless dir is in
// one. The mount is private to what can see the folder above it.
func MountPins(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("make a place for pins: %w", err)
	}
	in, err := inBPFFS(dir)
	if err != nil || in {
		return err
	}
	if err := unix.Mount("bpf", dir, "bpf", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, "mode=0700"); err != nil {
		return fmt.Errorf("mount a bpffs at %s: %w", dir, err)
	}
	return nil
}

func inBPFFS(dir string) (bool, error) {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return false, fmt.Errorf("look at %s: %w", dir, err)
	}
	return st.Type == unix.BPF_FS_MAGIC, nil
}

// UnmountPins undoes MountPins once nothing is pinned in dir. A dir that is no
// mount of its own, or does not exist, stays as it is.
func UnmountPins(dir string) error {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	in, err := inBPFFS(dir)
	if err != nil || !in {
		return err
	}
	for _, e := range entries {
		// Linux puts two iterators into each bpffs.
		if e.Name() != "maps.debug" && e.Name() != "progs.debug" {
			return fmt.Errorf("unmount %s: %s is still pinned there", dir, e.Name())
		}
	}
	if err := unix.Unmount(dir, 0); err != nil && !errors.Is(err, unix.EINVAL) {
		return fmt.Errorf("unmount %s: %w", dir, err)
	}
	return nil
}
