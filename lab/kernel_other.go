//go:build !linux

package lab

import "github.com/skepdev/skep/engine"

func openKernel(Config) (world, string, error) {
	return nil, "", &engine.NotSupportedError{
		Feature: "kernel world",
		Reason:  "network namespaces are a feature of Linux",
		Remedy:  "run on Linux, or use the embedded world",
	}
}
