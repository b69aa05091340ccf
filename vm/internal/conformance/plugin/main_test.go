package main

import (
	"bytes"
	"strings"
	"testing"
)

func TestAnswer(t *testing.T) {
	// r0 = *(u16 *)(r1 +2); exit
	load := []byte{0x69, 0x10, 2, 0, 0, 0, 0, 0, 0x95, 0, 0, 0, 0, 0, 0, 0}
	for _, row := range []struct {
		name string
		args []string
		code []byte
		want uint64
		fail string
	}{
		{"joined", []string{"aabb1122"}, load, 0x2211, ""},
		{"with blanks", []string{"aa bb 11 22"}, load, 0x2211, ""},
		{"no memory", nil, load[8:], 0, ""},
		{"program in hex", []string{"aabb1122"}, []byte("69 10 02 00 00 00 00 00 9500000000000000\n"), 0x2211, ""},
		{"bad memory", []string{"xy"}, load, 0, "memory"},
		{"elf", []string{"aa", "--elf"}, load, 0, "without --elf"},
		{"option", []string{"--jit"}, load, 0, "unknown option --jit"},
		{"half a slot", nil, load[:4], 0, "multiple of 8"},
		{"nothing", nil, nil, 0, "conformance"},
		{"large", nil, make([]byte, maxInput+8), 0, "more than"},
	} {
		t.Run(row.name, func(t *testing.T) {
			got, err := answer(row.args, bytes.NewReader(row.code))
			if row.fail == "" {
				if err != nil || got != row.want {
					t.Errorf("%#x, %v; want %#x", got, err, row.want)
				}
			} else if err == nil || !strings.Contains(err.Error(), row.fail) {
				t.Errorf("%v, want an error with %q", err, row.fail)
			}
		})
	}
}
