package scalar

import (
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// logRegister finds registers in a line of Linux's verifier log: R3=5,
// R3_w=P5 or R3=scalar(…).
var logRegister = regexp.MustCompile(`\bR(\d+)(?:_r?w?)?=P?(scalar\(((?:[^()]|\([^()]*\))*)\)|-?[0-9a-fx]+\b)`)

// parseLogRegister reads what logRegister found.
func parseLogRegister(m []string) (reg int, r Range, err error) {
	if reg, err = strconv.Atoi(m[1]); err != nil {
		return 0, r, err
	}
	if !strings.HasPrefix(m[2], "scalar(") {
		v, err := parseLogNumber(m[2])
		return reg, Const(v), err
	}
	r, err = parseBounds(m[3])
	return reg, r, err
}

// parseBounds reads what Append writes of a number that is not constant.
func parseBounds(s string) (Range, error) {
	r := Unknown()
	if s == "" {
		return r, nil
	}
	for _, part := range strings.Split(s, ",") {
		names := strings.Split(part, "=")
		text := names[len(names)-1]
		for _, name := range names[:len(names)-1] {
			if name == "id" {
				continue
			}
			if name == "var_off" {
				if _, err := fmt.Sscanf(text, "(%v; %v)", &r.Bits.Value, &r.Bits.Mask); err != nil {
					return r, fmt.Errorf("%q: %w", part, err)
				}
				continue
			}
			v, err := parseLogNumber(text)
			if err != nil {
				return r, err
			}
			switch name {
			case "smin":
				r.SMin = int64(v)
			case "smax":
				r.SMax = int64(v)
			case "umin":
				r.UMin = v
			case "umax":
				r.UMax = v
			case "smin32":
				r.S32Min = int32(v)
			case "smax32":
				r.S32Max = int32(v)
			case "umin32":
				r.U32Min = uint32(v)
			case "umax32":
				r.U32Max = uint32(v)
			default:
				return r, fmt.Errorf("what is %q?", part)
			}
		}
	}
	return r, nil
}

func parseLogNumber(s string) (uint64, error) {
	if strings.HasPrefix(s, "-") {
		v, err := strconv.ParseInt(s, 0, 64)
		return uint64(v), err
	}
	return strconv.ParseUint(s, 0, 64)
}

func TestStringComesBack(t *testing.T) {
	rng := newRand(t)
	for range trials / 10 {
		_, r := reached(rng, rng.IntN(6))
		if !r.Valid() {
			continue // of a constant no bounds are printed
		}
		m := logRegister.FindStringSubmatch("R3_w=P" + logForm(r))
		if m == nil {
			t.Fatalf("nothing found in %s", logForm(r))
		}
		reg, got, err := parseLogRegister(m)
		if err != nil || reg != 3 || got != r {
			t.Fatalf("%+v is printed %s and read as %+v, %v", r, logForm(r), got, err)
		}
	}
}

func logForm(r Range) string {
	if r.IsConst() {
		return r.String()
	}
	return "scalar(" + r.String() + ")"
}

var logID = regexp.MustCompile(`id=\d+,?`)

// oldLogForm is how Linux 6.1 prints a number, without its id
// (print_verifier_state).
func oldLogForm(r Range) string {
	if r.IsConst() {
		return strconv.FormatInt(int64(r.Value()), 10)
	}
	var parts []string
	add := func(print bool, format string, v any) {
		if print {
			parts = append(parts, fmt.Sprintf(format, v))
		}
	}
	add(r.SMin != int64(r.UMin) && r.SMin != math.MinInt64, "smin=%d", r.SMin)
	add(r.SMax != int64(r.UMax) && r.SMax != math.MaxInt64, "smax=%d", r.SMax)
	add(r.UMin != 0, "umin=%d", r.UMin)
	add(r.UMax != math.MaxUint64, "umax=%d", r.UMax)
	if !r.Bits.IsUnknown() {
		parts = append(parts, fmt.Sprintf("var_off=(%#x; %#x)", r.Bits.Value, r.Bits.Mask))
	}
	add(int64(r.S32Min) != r.SMin && r.S32Min != math.MinInt32, "s32_min=%d", r.S32Min)
	add(int64(r.S32Max) != r.SMax && r.S32Max != math.MaxInt32, "s32_max=%d", r.S32Max)
	add(uint64(r.U32Min) != r.UMin && r.U32Min != 0, "u32_min=%d", int32(r.U32Min))
	add(uint64(r.U32Max) != r.UMax && r.U32Max != math.MaxUint32, "u32_max=%d", int32(r.U32Max))
	return "scalar(" + strings.Join(parts, ",") + ")"
}
