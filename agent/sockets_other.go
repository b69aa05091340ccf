//go:build !linux

package agent

import (
	"net/netip"

	"github.com/skepdev/skep/engine"
)

func endSockets(netip.AddrPort) (int, error) {
	return 0, &engine.NotSupportedError{Feature: "ending sockets", Reason: "it takes Linux"}
}
