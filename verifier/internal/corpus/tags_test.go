package corpus

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// TestOpen reads the expectations of an object that has one of each kind.
func TestOpen(t *testing.T) {
	o, err := Open("testdata/expect.bpf.o")
	if err != nil {
		t.Fatal(err)
	}
	text := func(list ...string) []Pattern {
		var out []Pattern
		for _, s := range list {
			out = append(out, Pattern{Text: s})
		}
		return out
	}
	retval := int64(0x2a)
	base := Case{Object: "testdata/expect.bpf.o", Section: "socket", Expected: true, Explicit: true, Flags: testFlags, With: []string{"helps"}}
	with := func(name string, f func(*Case)) *Case {
		c := base
		c.Program = name
		f(&c)
		return &c
	}
	want := []*Case{
		with("checked", func(c *Case) { c.Success, c.Description = true, "a lookup with its check" }),
		with("elsewhere", func(c *Case) { c.Success, c.Arch = true, []string{"ARM64"} }),
		with("other_words", func(c *Case) { c.Messages = text("no such words") }),
		with("silent", func(c *Case) { c.Success, c.Explicit = true, false }),
		with("two_modes", func(c *Case) { c.Success, c.Retval = true, &retval }),
		with("two_modes", func(c *Case) {
			c.Mode, c.Messages, c.Retval, c.With = Unprivileged, text("R0 leaks addr"), &retval, []string{}
		}),
		with("unchecked", func(c *Case) { c.Messages = text("R0 invalid mem access", "map_value_or_null") }),
		with("unchecked_regex", func(c *Case) {
			c.Messages, c.LogLevel = text("{{R[0-9] invalid}} mem access 'map_{{[^ ]*}}null'"), 2
			c.Flags = flagInvariants | 1<<3
		}),
		with("wrong", func(*Case) {}),
	}
	if diff := cmp.Diff(want, o.Cases, cmpopts.IgnoreUnexported(Pattern{}), cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if len(o.Notes) != 0 {
		t.Errorf("not understood: %v", o.Notes)
	}
	plain, err := Open("testdata/plain.bpf.o")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range plain.Cases {
		if c.Expected || c.Explicit || c.Flags != 0 {
			t.Errorf("%s has an expectation: %+v", c.Name(), c)
		}
	}
}

func TestReadTags(t *testing.T) {
	read := func(tags ...string) *expectation {
		t.Helper()
		for i := range tags {
			tags[i] = tagPrefix + tags[i]
		}
		e, err := readTags(append(tags, "user", "other:thing"))
		if err != nil {
			t.Fatal(err)
		}
		return e
	}
	e := read("expect_msg=0=a=b", "expect_msg=R1 type=ctx", "expect_regex=7=x+", "expect_failure")
	if got := len(e.priv.messages); got != 3 {
		t.Fatalf("%d messages", got)
	}
	for i, want := range []string{"a=b", "R1 type=ctx", "{{x+}}"} {
		if got := e.priv.messages[i].Text; got != want {
			t.Errorf("message %d is %q, want %q", i, got, want)
		}
	}
	if !e.unpriv.failure || len(e.unpriv.messages) != 3 || e.unpriv.named {
		t.Errorf("the other mode inherits %+v", e.unpriv)
	}
	e = read("arch=ARM64", "jited=0=arm", "arch=X86_64", "jited=1=push", "jited=2=pop", "jited=3=...", "jited=4=ret", "expect_xlated=5=r0 = 0")
	var jited []string
	var next []bool
	for _, p := range e.priv.jited {
		jited, next = append(jited, p.Text), append(next, p.NextLine)
	}
	if !cmp.Equal(jited, []string{"push", "pop", "ret"}) || !cmp.Equal(next, []bool{true, true, false}) {
		t.Errorf("compiled listing %v %v", jited, next)
	}
	e = read("retval=INT_MIN", "retval_unpriv=POINTER_VALUE", "caps_unpriv=CAP_BPF | CAP_PERFMON", "load_mode=jited", "prog_flags=0x10")
	if *e.priv.retval != -1<<31 || *e.unpriv.retval != PointerValue || e.flags != testFlags|0x10 || e.loadMode != "jited" || !cmp.Equal(e.caps, []string{"CAP_BPF", "CAP_PERFMON"}) {
		t.Errorf("%+v %+v %+v", e, e.priv, e.unpriv)
	}
	e = read("stdout=x")
	if !e.priv.named || e.tagged || !cmp.Equal(e.unknown, []string{tagPrefix + "stdout=x"}) {
		t.Errorf("%+v", e)
	}
	for _, bad := range []string{"log_level=x", "retval=", "prog_flags=BPF_F_NONSENSE", "expect_msg=0={{open", "expect_msg=0={{(}}", "jited=0=early"} {
		if _, err := readTags([]string{tagPrefix + bad}); err == nil {
			t.Errorf("tag %q was read", bad)
		}
	}
}

func TestMatch(t *testing.T) {
	const log = "0: R1=ctx() R10=fp0\n1: (b7) r0 = 0\n2: (95) exit\nprocessed 3 insns\n"
	type pats = []string
	for _, c := range []struct {
		name     string
		patterns pats
		found    int
	}{
		{"none", nil, 0},
		{"one", pats{"r0 = 0"}, 1},
		{"in order", pats{"R1=ctx", "R10=fp0", "exit"}, 3},
		{"out of order", pats{"exit", "r0 = 0"}, 1},
		{"each behind the last", pats{"r0 = 0", "r0 = 0"}, 1},
		{"missing", pats{"R1=ctx", "R2="}, 1},
		{"regex", pats{"1: {{\\([0-9a-f]+\\)}} r0", "{{^2: .*$}}"}, 2},
		{"regex stays on its line", pats{"R1{{.*}}exit"}, 0},
		{"negated set too", pats{"R1{{[^x]*}}exit"}, 0},
		{"text is quoted", pats{"(b7) r{{[0-9]}} = 0"}, 1},
		{"longest alternative", pats{"{{e|exit}}", "xit"}, 1},
		{"next line", pats{"R1=ctx", "+(b7)", "+(95)"}, 3},
		{"not the next line", pats{"R1=ctx", "+(95)"}, 1},
		{"same line", pats{"R1=ctx", "+R10"}, 1},
	} {
		var patterns []Pattern
		for _, text := range c.patterns {
			next := text[0] == '+'
			if next {
				text = text[1:]
			}
			p, err := ParsePattern(text, next)
			if err != nil {
				t.Fatal(err)
			}
			patterns = append(patterns, p)
		}
		if got := Match(log, patterns); got != c.found {
			t.Errorf("%s: found %d, want %d", c.name, got, c.found)
		}
	}
}

func FuzzTags(f *testing.F) {
	for _, s := range []string{"expect_msg=0={{[0-9]+}} x", "retval=0x7", "prog_flags=!BPF_F_SLEEPABLE", "expect_xlated=1=...", "arch=X86_64"} {
		f.Add(s, "expect_failure", "0: (b7) r0 = 0\n1: x")
	}
	f.Fuzz(func(t *testing.T, a, b, log string) {
		e, err := readTags([]string{tagPrefix + a, tagPrefix + b})
		if err != nil {
			return
		}
		for _, patterns := range [][]Pattern{e.priv.messages, e.priv.xlated, e.unpriv.messages} {
			n := Match(log, patterns)
			if n < 0 || n > len(patterns) {
				t.Fatalf("found %d of %d", n, len(patterns))
			}
			// What was found is found again in a longer log.
			if m := Match(log+"\nmore", patterns[:n]); m < n && !anyNextLine(patterns) && !anyRegex(patterns) {
				t.Fatalf("found %d, then %d", n, m)
			}
		}
		ParseStats(log)
		LastWords(log, 3)
	})
}

func anyNextLine(ps []Pattern) bool {
	for _, p := range ps {
		if p.NextLine {
			return true
		}
	}
	return false
}

func anyRegex(ps []Pattern) bool {
	for _, p := range ps {
		if p.re != nil {
			return true
		}
	}
	return false
}
