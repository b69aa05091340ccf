//go:build !linux

package corpus

import "errors"

var errNoLinux = errors.New("there is no Linux here to ask")

// WithoutPrivileges calls f on a thread that lacks capabilities, where there are any.
func WithoutPrivileges([]string, func()) error { return errNoLinux }

// KernelRelease is the running kernel's, as uname -r says it.
func KernelRelease() (string, error) { return "", errNoLinux }

// AllowUnprivileged lets programs be loaded without privileges on this machine.
func AllowUnprivileged() error { return errNoLinux }
