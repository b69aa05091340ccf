//go:build unix && !linux

package host

// noReserve has no meaning where the system commits lazily anyway.
const noReserve = 0
