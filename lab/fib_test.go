package lab_test

import (
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"

	"github.com/skepdev/skep/engine"
	"github.com/skepdev/skep/lab"
)

// fibForward forwards IPv4 by bpf_fib_lookup and bpf_redirect, past the node's
// stack, and passes everything else on. It counts what it forwards.
func fibForward() *ebpf.CollectionSpec {
	const params = -64 // struct bpf_fib_lookup on the stack
	insns := asm.Instructions{
		asm.Mov.Reg(asm.R6, asm.R1),
		asm.LoadMem(asm.R7, asm.R6, 0, asm.Word), // data
		asm.LoadMem(asm.R2, asm.R6, 4, asm.Word), // data_end
		asm.Mov.Reg(asm.R3, asm.R7),
		asm.Add.Imm(asm.R3, 34),
		asm.JGT.Reg(asm.R3, asm.R2, "pass"),
		asm.LoadMem(asm.R3, asm.R7, 12, asm.Half),
		asm.HostTo(asm.BE, asm.R3, asm.Half),
		asm.JNE.Imm(asm.R3, 0x0800, "pass"),
	}
	insns = append(insns, asm.Mov.Imm(asm.R3, 0))
	for at := int16(params); at < 0; at += 8 {
		insns = append(insns, asm.StoreMem(asm.R10, at, asm.R3, asm.DWord))
	}
	insns = append(insns,
		asm.StoreImm(asm.R10, params, 2, asm.Byte),
		asm.LoadMem(asm.R3, asm.R6, 12, asm.Word), // ingress_ifindex
		asm.StoreMem(asm.R10, params+8, asm.R3, asm.Word),
		asm.LoadMem(asm.R3, asm.R7, 26, asm.Word), // source
		asm.StoreMem(asm.R10, params+16, asm.R3, asm.Word),
		asm.LoadMem(asm.R3, asm.R7, 30, asm.Word), // destination
		asm.StoreMem(asm.R10, params+32, asm.R3, asm.Word),
		asm.Mov.Reg(asm.R1, asm.R6),
		asm.Mov.Reg(asm.R2, asm.R10),
		asm.Add.Imm(asm.R2, params),
		asm.Mov.Imm(asm.R3, 64),
		asm.Mov.Imm(asm.R4, 0),
		asm.FnFibLookup.Call(),
		asm.JNE.Imm(asm.R0, 0, "pass"),
	)
	for i := int16(0); i < 6; i += 2 {
		insns = append(insns,
			asm.LoadMem(asm.R3, asm.R10, params+58+i, asm.Half), // dmac
			asm.StoreMem(asm.R7, i, asm.R3, asm.Half),
			asm.LoadMem(asm.R3, asm.R10, params+52+i, asm.Half), // smac
			asm.StoreMem(asm.R7, 6+i, asm.R3, asm.Half),
		)
	}
	insns = append(insns,
		asm.LoadMem(asm.R8, asm.R10, params+8, asm.Word), // ifindex
		asm.StoreImm(asm.R10, -4, 0, asm.Word),
		asm.Mov.Reg(asm.R2, asm.R10),
		asm.Add.Imm(asm.R2, -4),
		asm.LoadMapPtr(asm.R1, 0).WithReference("count"),
		asm.FnMapLookupElem.Call(),
		asm.JEq.Imm(asm.R0, 0, "pass"),
		asm.Mov.Imm(asm.R1, 1),
		asm.AddAtomic.Mem(asm.R0, asm.R1, asm.DWord, 0),
		asm.Mov.Reg(asm.R1, asm.R8),
		asm.Mov.Imm(asm.R2, 0),
		asm.FnRedirect.Call(),
		asm.Return(),
		asm.Mov.Imm(asm.R0, xdpPass).WithSymbol("pass"),
		asm.Return(),
	)
	spec := verdict(ebpf.XDP, xdpPass)
	spec.Programs["verdict"].Instructions = insns
	return spec
}

// An XDP program forwards by the node's own routing table, past its stack.
func TestFIBLookup(t *testing.T) {
	inEachWorld(t, lab.Config{}, func(t *testing.T, l *lab.Lab) {
		client, server := pair(t, l)
		mustPing(t, client.Host, server.Host)
		p := load(t, l, fibForward())
		stack := load(t, l, verdict(ebpf.SchedCLS, tcOK))
		attach(t, l, p, engine.XDP{Device: client.HostDevice()})
		attach(t, l, stack, engine.TCX{Device: client.HostDevice()})
		const pings = 20
		for seq := range uint16(pings) {
			if _, err := client.Ping(patient(t), server.Addr4(), lab.PingOptions{Seq: seq}); err != nil {
				t.Fatal(err)
			}
		}
		if n := p.runs(t); n != pings {
			t.Errorf("%d of %d requests were forwarded by the program", n, pings)
		}
		// ARP may pass.
		if n := stack.runs(t); n > 4 {
			t.Errorf("%d frames reached the stack", n)
		}
		mustPing(t, client.Host, server.Host)
	})
}
