package vm_test

import (
	"encoding/binary"
	"fmt"

	"github.com/skepdev/skep/abi"
	"github.com/skepdev/skep/isa"
	"github.com/skepdev/skep/vm"
)

// A program that counts packets in an array and passes them.
func Example() {
	m, err := vm.New(vm.Config{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer m.Close()
	counts, err := m.NewMap(vm.MapSpec{Name: "counts", Type: abi.MapArray, KeySize: 4, ValueSize: 8, MaxEntries: 1})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer counts.Close()
	insns, err := isa.Assemble(`
		r1 = map[idx:0][0]+0
		r2 = 1
		lock *(u64 *)(r1 +0) += r2
		r0 = 2
		exit
	`)
	if err != nil {
		fmt.Println(err)
		return
	}
	prog, err := m.Load(&vm.ProgramSpec{Name: "count", Type: abi.ProgXDP, Instructions: insns, Maps: []*vm.Map{counts}})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer prog.Close()
	res, err := prog.TestRun(&vm.TestInput{Data: make([]byte, 64), Repeat: 3})
	if err != nil {
		fmt.Println(err)
		return
	}
	value := make([]byte, counts.ValueBytes())
	if err := counts.Lookup(make([]byte, 4), value, 0); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("verdict", res.Return, "count", binary.NativeEndian.Uint64(value))
	// Output: verdict 2 count 3
}
