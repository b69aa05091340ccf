package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// namespaceDir is where labs that are up name their namespaces, as
// skep-<process id>-<start>-<made>-<lab>-<host>.
const namespaceDir = "/run/netns"

// execInNamespace replaces this process by a command inside a host's network
// namespace. It returns only with an error.
func execInNamespace(lab, host string, words []string) error {
	path, err := findNamespace(lab, host)
	if err != nil {
		return err
	}
	program, err := exec.LookPath(words[0])
	if err != nil {
		return err
	}
	// Only this thread enters; exec ends the others and keeps this one's
	// namespaces.
	runtime.LockOSThread()
	f, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("enter %s: %w", host, err)
	}
	defer f.Close()
	if err := unix.Setns(int(f.Fd()), unix.CLONE_NEWNET); err != nil {
		return withHint(fmt.Errorf("enter %s: %w", host, err), "entering a namespace takes root")
	}
	return fmt.Errorf("%s: %w", program, syscall.Exec(program, words, os.Environ()))
}

func findNamespace(lab, host string) (string, error) {
	names, err := filepath.Glob(filepath.Join(namespaceDir, "skep-*"))
	if err != nil {
		return "", err
	}
	var found, hosts []string
	for _, path := range names {
		l, h, ok := splitNamespace(filepath.Base(path))
		if !ok {
			continue
		}
		hosts = append(hosts, h)
		if h == host && (lab == "" || l == lab) {
			found = append(found, path)
		}
	}
	switch {
	case len(found) == 1:
		return found[0], nil
	case len(found) > 1:
		return "", withHint(fmt.Errorf("several labs have a host %q", host), "choose with --lab: "+strings.Join(found, ", "))
	case len(hosts) == 0:
		return "", withHint(errors.New("no lab is up in the kernel world"), "start one: sudo skep lab up")
	}
	return "", fmt.Errorf("no host %q: there is %s", host, strings.Join(hosts, ", "))
}

// splitNamespace takes skep-<process id>-<start>-<made>-<lab>-<host> apart. Names of
// labs have no dash here; those of hosts may.
func splitNamespace(name string) (lab, host string, ok bool) {
	parts := strings.SplitN(name, "-", 6)
	if len(parts) != 6 || parts[0] != "skep" {
		return "", "", false
	}
	return parts[4], parts[5], true
}
