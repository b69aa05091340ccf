package main

import (
	"context"
	"os/exec"
	"testing"

	"github.com/skepdev/skep/choose"
	"github.com/skepdev/skep/engine"
)

// TestProgramsAgree runs every program on both sides of the embedded engine.
func TestProgramsAgree(t *testing.T) {
	var peers []*peer
	for _, interpret := range []bool{false, true} {
		eng, _, err := choose.OpenWith(context.Background(), choose.Embedded, choose.Options{Interpret: interpret})
		if err != nil {
			t.Fatal(err)
		}
		defer eng.Close()
		p, err := newPeer(context.Background(), eng, interpret)
		if err != nil {
			t.Fatal(err)
		}
		defer p.close()
		peers = append(peers, p)
	}
	for _, name := range programs {
		var got []uint32
		for _, p := range peers {
			res, err := p.program(name).Run(&engine.RunInput{Data: packet(), Repeat: 3})
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			got = append(got, res.Return)
		}
		if got[0] != got[1] {
			t.Errorf("%s returns %d as native code, %d interpreted", name, got[0], got[1])
		}
	}
}

func TestNativePeers(t *testing.T) {
	if _, err := exec.LookPath("gcc"); err != nil {
		t.Skip("needs gcc for the native peers")
	}
	times, err := nativeTimes(context.Background(), "gcc")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range programs[:9] {
		if times[name] <= 0 {
			t.Errorf("%s took %v", name, times[name])
		}
	}
}
