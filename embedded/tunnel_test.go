package embedded_test

import (
	"errors"
	"syscall"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"

	"github.com/skepdev/skep/embedded"
	"github.com/skepdev/skep/engine"
)

// TestTunnelKey: a key stays with a packet that another device sends, and is
// gone where one is received.
func TestTunnelKey(t *testing.T) {
	const tunnelKey, ingress = 44, 1
	setAndRedirect := func(to int, flags int32) *ebpf.ProgramSpec {
		var in asm.Instructions
		in = append(in, asm.Mov.Imm(asm.R2, 0))
		for off := int16(-48); off < 0; off += 8 {
			in = append(in, asm.StoreMem(asm.RFP, off, asm.R2, asm.DWord))
		}
		return assemble(ebpf.SchedCLS, append(in,
			asm.Mov.Reg(asm.R2, asm.RFP), asm.Add.Imm(asm.R2, -48),
			asm.Mov.Imm(asm.R3, tunnelKey), asm.Mov.Imm(asm.R4, 0), asm.FnSkbSetTunnelKey.Call(),
			asm.Mov.Imm(asm.R1, int32(to)), asm.Mov.Imm(asm.R2, flags), asm.FnRedirect.Call(),
			asm.Return(),
		)...)
	}
	// Passes only what has no key.
	keyless := assemble(ebpf.SchedCLS,
		asm.Mov.Reg(asm.R2, asm.RFP), asm.Add.Imm(asm.R2, -48),
		asm.Mov.Imm(asm.R3, tunnelKey), asm.Mov.Imm(asm.R4, 0), asm.FnSkbGetTunnelKey.Call(),
		asm.Mov.Reg(asm.R1, asm.R0), asm.Mov.Imm(asm.R0, 2),
		asm.JEq.Imm(asm.R1, 0, "out"), asm.Mov.Imm(asm.R0, 0),
		asm.Return().WithSymbol("out"),
	)
	eng := newEngine(t, embedded.Config{})
	toEgress := device(t, eng, embedded.DeviceConfig{Name: "a"})
	toIngress := device(t, eng, embedded.DeviceConfig{Name: "b"})
	c := device(t, eng, embedded.DeviceConfig{Name: "c"})
	attach(t, eng, program(t, eng, setAndRedirect(c.Index(), 0)), engine.TCX{Device: toEgress.Target()})
	attach(t, eng, program(t, eng, setAndRedirect(c.Index(), ingress)), engine.TCX{Device: toIngress.Target()})
	attach(t, eng, program(t, eng, keyless), engine.TCX{Device: c.Target()})
	attach(t, eng, program(t, eng, keyless), engine.TCX{Device: c.Target(), Egress: true})

	toIngress.Receive(frame(1))
	if _, up := c.take(); len(up) != 1 {
		t.Error("a received packet has the key of its way here")
	}
	toEgress.Receive(frame(2))
	if sent, _ := c.take(); len(sent) != 0 {
		t.Error("a redirected packet lost its key")
	}
	// The packet's memory is used again: nothing is left of the key.
	c.Transmit(frame(3))
	if sent, _ := c.take(); len(sent) != 1 {
		t.Error("a packet has the key of another")
	}
}

// TestSocketMap: what cannot be stored is named.
func TestSocketMap(t *testing.T) {
	eng := newEngine(t, embedded.Config{})
	m, err := eng.NewMap(&ebpf.MapSpec{Name: "xsks_map", Type: ebpf.XSKMap, KeySize: 4, ValueSize: 4, MaxEntries: 4})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	key, value := make([]byte, 4), make([]byte, 4)
	err = m.Update(key, value, ebpf.UpdateAny)
	var missing *engine.NotSupportedError
	if !errors.As(err, &missing) || !errors.Is(err, syscall.EOPNOTSUPP) || missing.Remedy == "" {
		t.Errorf("update: %v", err)
	}
	if err := m.Lookup(key, value, 0); !errors.Is(err, engine.ErrNotSupported) || !errors.Is(err, syscall.EOPNOTSUPP) {
		t.Errorf("lookup: %v", err)
	}
}
