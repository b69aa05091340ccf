package conformance

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/skepdev/skep/isa"
)

// Case is one file of the suite.
type Case struct {
	// Instructions are those of the raw section if there is one, else of the
	// assembly.
	Instructions []isa.Instruction
	// Assembly is the assembled asm section, nil if there is none.
	Assembly []isa.Instruction
	// Memory is what R1 points to; R2 is its length in bytes.
	Memory []byte
	// Fails says that the program must be refused; Error is what the suite
	// wants to read in the refusal, often nothing.
	Fails bool
	Error string
	// Result is R0 at the end of a program that must not fail.
	Result uint64
}

// Parse reads a case. Errors name the line.
func Parse(data []byte) (*Case, error) {
	c := &Case{}
	var asm []sourceLine
	var raw []byte
	section, results := "", 0
	for i, line := range strings.Split(string(data), "\n") {
		line, _, _ = strings.Cut(line, "#")
		line = strings.TrimSpace(line)
		if name, ok := strings.CutPrefix(line, "--"); ok {
			section = strings.TrimSpace(name)
			if !known(section) {
				return nil, fmt.Errorf("line %d: unknown section %q", i+1, section)
			}
			c.Fails = c.Fails || section == "error"
			continue
		}
		if line == "" {
			continue
		}
		var err error
		switch section {
		case "asm":
			asm = append(asm, sourceLine{i + 1, line})
		case "raw":
			raw, err = appendRaw(raw, line)
		case "mem":
			c.Memory, err = appendHex(c.Memory, line)
		case "error":
			c.Error = line
		case "result":
			results++
			c.Result, err = strconv.ParseUint(line, 0, 64)
		}
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", i+1, err)
		}
	}
	if results != 1 && !c.Fails {
		return nil, fmt.Errorf("%d results where there must be one", results)
	}
	return c, c.program(asm, raw)
}

// known are the sections of the suite; "c" and "no register offset" are for
// people and for other plugins.
func known(section string) bool {
	switch section {
	case "asm", "raw", "mem", "result", "error", "c", "no register offset":
		return true
	}
	return false
}

func (c *Case) program(asm []sourceLine, raw []byte) (err error) {
	if len(asm) > 0 {
		if c.Assembly, err = assemble(asm); err != nil {
			return err
		}
	}
	c.Instructions = c.Assembly
	if len(raw) > 0 {
		if c.Instructions, err = isa.Decode(raw, binary.LittleEndian); err != nil {
			return err
		}
	}
	if len(c.Instructions) == 0 {
		return errors.New("no instructions")
	}
	return nil
}

// appendRaw takes bytes in hex, or whole slots as numbers that start with 0x.
func appendRaw(dst []byte, line string) ([]byte, error) {
	for _, word := range strings.Fields(line) {
		if !strings.HasPrefix(word, "0x") {
			var err error
			if dst, err = appendHex(dst, word); err != nil {
				return nil, err
			}
			continue
		}
		slot, err := strconv.ParseUint(word, 0, 64)
		if err != nil {
			return nil, err
		}
		dst = binary.LittleEndian.AppendUint64(dst, slot)
	}
	return dst, nil
}

func appendHex(dst []byte, line string) ([]byte, error) {
	for _, word := range strings.Fields(line) {
		b, err := hex.DecodeString(word)
		if err != nil {
			return nil, fmt.Errorf("%q are no bytes in hex", word)
		}
		dst = append(dst, b...)
	}
	return dst, nil
}
