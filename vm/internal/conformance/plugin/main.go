// Plugin answers the runner of the eBPF conformance suite:
//
//	go build -o plugin ./vm/internal/conformance/plugin
//	bpf_conformance_runner --test_file_directory tests --plugin_path ./plugin --cpu_version v4
//
// The memory comes as hex in the first argument, the program as little-endian
// slots on standard input, as bytes or in hex (the protocol's description says
// the one, its runner does the other); R0 leaves as hex on standard output.
package main

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/skepdev/skep/isa"
	"github.com/skepdev/skep/vm"
	"github.com/skepdev/skep/vm/internal/conformance"
)

func main() {
	r0, err := answer(os.Args[1:], os.Stdin)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Printf("%x\n", r0)
}

// maxInput is the kernel's limit, a million slots, in hex.
const maxInput = 16 << 20

func answer(args []string, in io.Reader) (uint64, error) {
	var memory []byte
	for _, arg := range args {
		if arg == "--elf" {
			return 0, errors.New("programs in ELF are not taken: run the suite without --elf")
		}
		if strings.HasPrefix(arg, "-") {
			return 0, fmt.Errorf("unknown option %s: the plugin has none", arg)
		}
		b, err := unhex(arg)
		if err != nil {
			return 0, fmt.Errorf("memory: %w", err)
		}
		memory = append(memory, b...)
	}
	code, err := io.ReadAll(io.LimitReader(in, maxInput+1))
	if err != nil {
		return 0, fmt.Errorf("read program: %w", err)
	}
	if len(code) > maxInput {
		return 0, fmt.Errorf("read program: more than %d bytes", maxInput)
	}
	// Slots as bytes are never hex digits only: the opcode of exit is none.
	if text, err := unhex(string(code)); err == nil {
		code = text
	}
	insns, err := isa.Decode(code, binary.LittleEndian)
	if err != nil {
		return 0, err
	}
	m, err := vm.New(vm.Config{CPUs: 1})
	if err != nil {
		return 0, err
	}
	defer m.Close()
	return conformance.Run(m, insns, memory)
}

// unhex reads hex that may have blanks between its bytes.
func unhex(s string) ([]byte, error) {
	return hex.DecodeString(strings.Join(strings.Fields(s), ""))
}
