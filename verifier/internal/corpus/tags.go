package corpus

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// expectation collects what one program's tags say.
type expectation struct {
	description    string
	priv, unpriv   mode
	auxiliary      bool
	tagged         bool // carries a tag that chooses a mode
	flags, log     uint32
	arch           []string
	btfPath        string
	jit, jitUnpriv lines
	xlat, xlatUnp  lines
	current        bool // the last processor named is this corpus's
	loadMode       string
	caps           []string
	unknown        []string // tags that say something nobody here reads
}

// mode is what is expected in one mode.
type mode struct {
	named, verdict bool
	failure        bool
	messages       []Pattern
	xlated, jited  []Pattern
	retval         *int64
}

// lines counts whether the next pattern of a listing is bound to the next line.
type lines struct{ bound bool }

// Arch is the processor whose cases are judged.
const Arch = "X86_64"

const tagPrefix = "comment:test_"

// Flags of a load, as the tags name them (enum in linux/bpf.h, Linux 6.18).
func flagNamed(name string) (uint32, bool) {
	switch name {
	case "BPF_F_STRICT_ALIGNMENT":
		return 1 << 0, true
	case "BPF_F_ANY_ALIGNMENT":
		return 1 << 1, true
	case "BPF_F_TEST_RND_HI32":
		return flagRandomHigh, true
	case "BPF_F_TEST_STATE_FREQ":
		return 1 << 3, true
	case "BPF_F_SLEEPABLE":
		return 1 << 4, true
	case "BPF_F_XDP_HAS_FRAGS":
		return 1 << 5, true
	case "BPF_F_TEST_REG_INVARIANTS":
		return flagInvariants, true
	}
	return 0, false
}

const (
	flagRandomHigh = 1 << 2
	flagInvariants = 1 << 7
	// testFlags are set for every case unless a tag takes them back.
	testFlags = flagRandomHigh | flagInvariants
)

// readTags reads the declaration tags of one function, in their order.
func readTags(tags []string) (*expectation, error) {
	e := &expectation{flags: testFlags, xlat: lines{true}, xlatUnp: lines{true}}
	for _, tag := range tags {
		rest, ok := strings.CutPrefix(tag, tagPrefix)
		if !ok {
			continue
		}
		key, value, _ := strings.Cut(rest, "=")
		read := tagReader(key)
		if read == nil {
			e.unknown = append(e.unknown, tag)
			continue
		}
		if err := read(e, value); err != nil {
			return nil, fmt.Errorf("tag %q: %w", tag, err)
		}
	}
	e.tagged = e.priv.named || e.unpriv.named
	if !e.tagged {
		e.priv.named = true
	}
	e.inherit()
	return e, nil
}

// tagReader is the function that reads a tag's value; nil if there is none.
func tagReader(key string) func(*expectation, string) error {
	if base, ok := strings.CutSuffix(key, "_unpriv"); ok && key != "caps_unpriv" {
		return modeReader(base, true)
	}
	switch key {
	case "description":
		return func(e *expectation, v string) error { e.description = v; return nil }
	case "log_level":
		return func(e *expectation, v string) error {
			n, err := parseInt(v)
			e.log = uint32(n)
			return err
		}
	case "prog_flags":
		return (*expectation).readFlag
	case "arch":
		return func(e *expectation, v string) error {
			e.arch = append(e.arch, v)
			e.current = v == Arch
			e.jit, e.jitUnpriv = lines{true}, lines{true}
			return nil
		}
	case "load_mode":
		return func(e *expectation, v string) error { e.loadMode = v; return nil }
	case "caps_unpriv":
		return func(e *expectation, v string) error {
			for name := range strings.SplitSeq(v, "|") {
				e.caps = append(e.caps, strings.TrimSpace(name))
			}
			return nil
		}
	case "btf_path":
		return func(e *expectation, v string) error { e.btfPath = v; return nil }
	}
	return modeReader(key, false)
}

// modeReader reads what is said of one mode.
func modeReader(key string, unpriv bool) func(*expectation, string) error {
	of := func(e *expectation) *mode {
		m := &e.priv
		if unpriv {
			m = &e.unpriv
		}
		m.named = true
		return m
	}
	switch key {
	case "expect_success", "expect_failure":
		return func(e *expectation, _ string) error {
			m := of(e)
			m.failure, m.verdict = key == "expect_failure", true
			return nil
		}
	case "auxiliary":
		return func(e *expectation, _ string) error { e.auxiliary = true; of(e); return nil }
	case "expect_msg":
		return func(e *expectation, v string) error {
			m := of(e)
			return pushPattern(&m.messages, v, nil)
		}
	case "expect_regex": // of kernels before 6.11
		return func(e *expectation, v string) error {
			return pushPattern(&of(e).messages, "0={{"+uncounted(v)+"}}", nil)
		}
	case "expect_xlated":
		return func(e *expectation, v string) error {
			m, l := of(e), &e.xlat
			if unpriv {
				l = &e.xlatUnp
			}
			return pushPattern(&m.xlated, v, l)
		}
	case "jited":
		return func(e *expectation, v string) error { return e.readJited(of, unpriv, v) }
	case "retval":
		return func(e *expectation, v string) error {
			n, err := parseRetval(v)
			of(e).retval = &n
			return err
		}
	}
	return nil
}

func (e *expectation) readJited(of func(*expectation) *mode, unpriv bool, v string) error {
	if len(e.arch) == 0 {
		return fmt.Errorf("before any test_arch")
	}
	if !e.current {
		return nil
	}
	m, l := of(e), &e.jit
	if unpriv {
		l = &e.jitUnpriv
	}
	return pushPattern(&m.jited, v, l)
}

func (e *expectation) readFlag(v string) error {
	name, clear := strings.CutPrefix(v, "!")
	bit, ok := flagNamed(name)
	if !ok {
		n, err := parseInt(name)
		if err != nil {
			return err
		}
		bit = uint32(n)
	}
	if clear {
		e.flags &^= bit
	} else {
		e.flags |= bit
	}
	return nil
}

// inherit gives the second mode what it does not say itself.
func (e *expectation) inherit() {
	if !e.unpriv.verdict {
		e.unpriv.failure = e.priv.failure
	}
	if e.unpriv.retval == nil {
		e.unpriv.retval = e.priv.retval
	}
	if len(e.unpriv.messages) == 0 {
		e.unpriv.messages = e.priv.messages
	}
	if len(e.unpriv.xlated) == 0 {
		e.unpriv.xlated = e.priv.xlated
	}
	if len(e.unpriv.jited) == 0 {
		e.unpriv.jited = e.priv.jited
	}
}

// uncounted is a message without the number that makes its tag unique, which
// kernels before 6.11 had not.
func uncounted(value string) string {
	n, text, ok := strings.Cut(value, "=")
	if _, err := strconv.ParseUint(n, 10, 32); !ok || err != nil {
		return value
	}
	return text
}

// pushPattern adds a message. Patterns of listings follow line on line unless "..." stands between.
func pushPattern(to *[]Pattern, value string, l *lines) error {
	text := uncounted(value)
	if l != nil && text == "..." {
		l.bound = false
		return nil
	}
	p, err := ParsePattern(text, l != nil && l.bound)
	if err != nil {
		return err
	}
	*to = append(*to, p)
	if l != nil {
		l.bound = true
	}
	return nil
}

func parseInt(s string) (int64, error) {
	if hex, ok := strings.CutPrefix(s, "0x"); ok {
		n, err := strconv.ParseUint(hex, 16, 64)
		return int64(n), err
	}
	return strconv.ParseInt(s, 10, 64)
}

// parseRetval reads a number or one of the names of bpf_misc.h. A test run's
// value has 32 bits.
func parseRetval(s string) (int64, error) {
	switch s {
	case "INT_MIN":
		return math.MinInt32, nil
	case "POINTER_VALUE":
		return PointerValue, nil
	case "TEST_DATA_LEN":
		return 64, nil
	}
	n, err := parseInt(s)
	return int64(int32(n)), err
}

// PointerValue as Retval means: some pointer, nobody knows which.
const PointerValue = 0xcafe4a
