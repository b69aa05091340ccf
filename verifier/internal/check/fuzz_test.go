package check

import (
	"encoding/binary"
	"errors"
	"path/filepath"
	"testing"
	"time"

	"github.com/skepdev/skep/abi"
	"github.com/skepdev/skep/isa"
)

// FuzzVerify takes any bytes for a program, under any options: there must be a
// verdict, soon, and no contradiction inside of the verifier.
func FuzzVerify(f *testing.F) {
	for _, pattern := range []string{"testdata/*.txt", "testdata/hostile/*.txt"} {
		files, err := filepath.Glob(pattern)
		if err != nil || len(files) == 0 {
			f.Fatalf("no cases: %v", err)
		}
		for _, file := range files {
			for i, tc := range readCases(f, file) {
				insns, err := isa.Assemble(tc.code)
				if err != nil || i%4 != 0 {
					continue
				}
				if code, err := isa.Encode(insns, binary.LittleEndian); err == nil {
					f.Add(code, uint8(abi.ProgXDP), uint16(i), uint32(0))
				}
			}
		}
	}
	f.Add([]byte{}, uint8(0), uint16(0), uint32(0))
	f.Fuzz(func(t *testing.T, code []byte, typ uint8, options uint16, kernel uint32) {
		insns, err := isa.Decode(code, binary.LittleEndian)
		if err != nil || len(insns) > 2000 {
			return
		}
		p := &Program{
			Name: "fuzz", Type: abi.ProgramType(typ % 40), AttachType: abi.AttachType(options >> 8 % 60), License: "GPL", Instructions: insns,
			Flags: uint32(options>>5&3) << 3,
		}
		for _, m := range []Map{
			{Type: abi.MapHash, KeySize: 4, ValueSize: 64, MaxEntries: 8},
			{Type: abi.MapArray, KeySize: 4, ValueSize: 64, MaxEntries: 1},
			{Type: abi.MapRingBuf, MaxEntries: 4096},
			{Type: abi.MapProgArray, KeySize: 4, ValueSize: 4, MaxEntries: 4},
			{Type: abi.MapArray, KeySize: 4, ValueSize: 8, MaxEntries: 1, Flags: abi.FlagRdonlyProg, Frozen: true, Contents: make([]byte, 8)},
		} {
			p.Maps = append(p.Maps, &m)
		}
		o := Options{MaxInstructions: 20_000, Timeout: 2 * time.Second, MaxLog: 1 << 16}
		o.Unprivileged, o.NoPerfmon, o.Exact = options&1 != 0, options&2 != 0, options&4 != 0
		if options&8 != 0 {
			o.LogLevel = 2
		}
		if options&16 != 0 {
			o.Kernel = kernel
		}
		start := time.Now()
		_, err = Verify(t.Context(), p, o)
		var r *Rejection
		if errors.As(err, &r) && (r.Rule == RuleInternal || r.Message == "") {
			t.Fatalf("%s: %v at %d", r.Rule, r, r.Insn)
		}
		if d := time.Since(start); d > 20*time.Second {
			t.Fatalf("took %v", d)
		}
	})
}
