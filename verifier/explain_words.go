package verifier

import (
	"fmt"
	"math"
	"strings"

	"github.com/skepdev/skep/abi"
	"github.com/skepdev/skep/isa"
	"github.com/skepdev/skep/verifier/internal/check"
)

func helperName(id int32) string {
	h := abi.HelperByID(abi.HelperID(id))
	if h == nil {
		return ""
	}
	return h.ID.String()
}

// name is the C expression that the rule is about, or the register.
func (s *story) name() string {
	if s.Variable != "" {
		return s.Variable
	}
	return fmt.Sprintf("r%d", s.reg())
}

// known describes the operand.
func (s *story) known() string {
	o := s.operand()
	if o == nil {
		return ""
	}
	if s.Variable == "" {
		return fmt.Sprintf("r%d is %s", s.reg(), operandText(o))
	}
	return fmt.Sprintf("%s (r%d) is %s", s.Variable, s.reg(), operandText(o))
}

func operandText(o *check.Operand) string {
	if o.Number {
		return numberText(o)
	}
	s := what(o)
	if o.Offset != 0 {
		s += fmt.Sprintf(", %+d bytes", o.Offset)
	}
	if o.Variable {
		s += ", plus a number " + boundsText(o)
	}
	if o.MaybeNull {
		s += ", or NULL"
	}
	return s
}

// what names what a pointer points to.
func what(o *check.Operand) string {
	kind := strings.TrimSuffix(o.Kind, "_or_null")
	switch {
	case o.Map != "" && kind == "map_ptr":
		return "the map " + o.Map
	case o.Map != "":
		return fmt.Sprintf("a pointer into a value of map %s (%d bytes)", o.Map, o.Size)
	case o.Structure != "":
		return "a pointer to the kernel's struct " + o.Structure
	}
	switch kind {
	case "pkt":
		if o.Range > 0 {
			return fmt.Sprintf("a pointer into the packet, of which %s known to be there", plural(o.Range, "byte is", "bytes are"))
		}
		return "a pointer into the packet, of which no byte is known to be there"
	case "fp":
		return "a pointer into the stack"
	case "pkt_end":
		return "the end of the packet"
	case "ctx":
		return "the context"
	case "mem", "ringbuf_mem":
		return fmt.Sprintf("a pointer to %d bytes of memory", o.Size)
	}
	if word := pointerKinds[kind]; word != "" {
		return word
	}
	return "a pointer (" + kind + ")"
}

// pointerKinds are the kernel's names of what needs no more words.
var pointerKinds = map[string]string{
	"sock": "a pointer to a socket (struct bpf_sock)", "sock_common": "a pointer to a socket (struct bpf_sock, or less of it)",
	"tcp_sock": "a pointer to a socket (struct bpf_tcp_sock)", "xdp_sock": "a pointer to a socket (struct bpf_xdp_sock)",
	"pkt_meta": "a pointer into the packet's metadata", "flow_keys": "a pointer to the flow's keys (struct bpf_flow_keys)",
	"map_key": "a pointer to a map's key", "func": "a function", "arena": "a pointer into an arena",
}

func numberText(o *check.Operand) string {
	if o.UMin == o.UMax {
		return "the number " + boundsText(o)
	}
	return "a number " + boundsText(o)
}

func plural(n int64, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

func boundsText(o *check.Operand) string {
	switch {
	case o.UMin == o.UMax:
		return fmt.Sprintf("%d", int64(o.UMin))
	case o.UMin == 0 && o.UMax == math.MaxUint64 && o.SMin == math.MinInt64 && o.SMax == math.MaxInt64:
		return "without any bounds"
	case o.SMin >= 0:
		return fmt.Sprintf("from %d to %d", o.UMin, o.UMax)
	}
	return fmt.Sprintf("from %d to %d", o.SMin, o.SMax)
}

// lineOf names the source line of a slot, or the slot.
func (s *story) lineOf(slot int) string {
	if p := PlaceOf(s.r.code, slot); p.Line > 0 {
		if isAssembly(p.Text) {
			return fmt.Sprintf("line %d, instruction %d (%s)", p.Line, slot, s.text(slot))
		}
		return fmt.Sprintf("line %d (%s)", p.Line, strings.TrimSpace(p.Text))
	}
	return fmt.Sprintf("instruction %d", slot)
}

// text is the instruction of a slot in assembly.
func (s *story) text(slot int) string {
	t, _ := Printer(s.r.code).Text(s.r.code.Instructions, slot)
	return t
}

func (s *story) operand() *check.Operand { return s.r.inner.Operand }

func (s *story) reg() int { return s.r.inner.Register }

func (s *story) instruction() isa.Instruction {
	if s.r.Slot >= 0 && s.r.Slot < len(s.r.code.Instructions) {
		return s.r.code.Instructions[s.r.Slot]
	}
	return isa.Instruction{}
}
