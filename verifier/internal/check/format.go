package check

import "strings"

// checkFormat holds a format of bpf_snprintf against its arguments (R5 says how
// many bytes of 64-bit ones there are; check_bpf_snprintf_call).
func (c *Checker) checkFormat(f, n *Reg) error {
	if n.Value()%8 != 0 {
		return c.rejectReg(5, RuleArgumentSize, EINVAL, "bpf_snprintf takes whole 64-bit arguments, not %d bytes", n.Value())
	}
	s, ok := constString(c.mapOf(f), f)
	if !ok || !validFormat(s, int(n.Value()/8)) {
		return c.rejectReg(3, RuleConstantString, EINVAL, "Invalid format string")
	}
	return nil
}

// validFormat is what bpf_bprintf_prepare accepts.
func validFormat(s string, args int) bool {
	at := func(i int) byte {
		if i < len(s) {
			return s[i]
		}
		return 0
	}
	ends := func(b byte) bool {
		return b == 0 || b == ' ' || b >= '\t' && b <= '\r' || strings.IndexByte("!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~", b) >= 0
	}
	for i := 0; i < len(s); i++ {
		if b := s[i]; b >= 0x7f || b < ' ' && (b < '\t' || b > '\r') {
			return false
		}
		if s[i] != '%' {
			continue
		}
		if at(i+1) == '%' {
			i++
			continue
		}
		if args--; args < 0 {
			return false
		}
		for i++; strings.IndexByte("0+- ", at(i)) >= 0 && at(i) != 0; i++ {
		}
		for at(i) >= '0' && at(i) <= '9' {
			i++
		}
		switch at(i) {
		case 'p':
			switch next := at(i + 1); {
			case (next == 'k' || next == 'u') && at(i+2) == 's':
				i += 2
				if !ends(at(i + 1)) {
					return false
				}
			case ends(next):
			case strings.IndexByte("KxsSB", next) >= 0:
				i++
			case (next == 'i' || next == 'I') && (at(i+2) == '4' || at(i+2) == '6'):
				i += 2
			default:
				return false
			}
		case 's', 'c':
			if !ends(at(i + 1)) {
				return false
			}
		default:
			for at(i) == 'l' {
				i++
			}
			if strings.IndexByte("diuxX", at(i)) < 0 || at(i) == 0 {
				return false
			}
		}
	}
	return true
}
