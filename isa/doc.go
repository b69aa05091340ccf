// Package isa reads, writes and prints eBPF instructions (RFC 9669). It knows
// encodings, not meanings: what a helper does or a program type may do stands
// in package abi.
package isa
