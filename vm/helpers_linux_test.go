package vm

import (
	"bytes"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/cilium/ebpf"
)

// TestHelpersAgainstKernel runs every case on both engines.
func TestHelpersAgainstKernel(t *testing.T) {
	needKernel618(t)
	m := newMachine(t, Config{CPUs: 1})
	var golden strings.Builder
	for _, c := range helperCases() {
		insns := c.program(t)
		kp, err := kernelLoad(c.typ, insns, 0)
		if err != nil {
			t.Errorf("%s: the kernel refuses it: %.300v", c.name, err)
			continue
		}
		opts := ebpf.RunOptions{Data: c.data, DataOut: make([]byte, 80000)}
		ret, err := kp.Run(&opts)
		kp.Close()
		p, lerr := m.Load(&ProgramSpec{Name: c.name, Type: c.typ, License: "GPL", Instructions: insns})
		if lerr != nil {
			t.Errorf("%s: %v", c.name, lerr)
			continue
		}
		res, rerr := p.TestRun(&TestInput{Data: c.data})
		p.Close()
		if err != nil {
			t.Errorf("%s: test run in the kernel: %v (here %v)", c.name, err, rerr)
			continue
		}
		if rerr != nil {
			t.Errorf("%s: %v", c.name, rerr)
			continue
		}
		fmt.Fprintf(&golden, "%s\t%s\n", c.name, answer(ret, opts.DataOut))
		if ret != res.Return {
			t.Errorf("%s: returns %d (%#x), the kernel %d (%#x)", c.name, int32(res.Return), res.Return, int32(ret), ret)
		}
		if !bytes.Equal(res.Data, opts.DataOut) {
			t.Errorf("%s: packet differs: %d bytes, the kernel's %d\n%x\n%x", c.name, len(res.Data), len(opts.DataOut), res.Data[:min(len(res.Data), 100)], opts.DataOut[:min(len(opts.DataOut), 100)])
		}
	}
	if os.Getenv("SKEP_UPDATE_GOLDEN") != "" {
		lines := strings.SplitAfter(golden.String(), "\n")
		slices.Sort(lines)
		if err := os.WriteFile(helpersGolden, []byte(strings.Join(lines, "")), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}
