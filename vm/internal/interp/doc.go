// Package interp decodes eBPF instructions into operations, once, and executes
// them on a thread, checking every access to memory.
//
// An operation stands at the index of its instruction's slot, so that a
// program counter names an instruction without a table. Operations are picked
// so that the loop does one small thing each: operand kinds and sizes are part
// of the code, jumps carry absolute targets, and accesses relative to the frame
// pointer whose place was proven at decode time are not checked again.
package interp
