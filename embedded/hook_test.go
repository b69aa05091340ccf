package embedded_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"

	"github.com/skepdev/skep/embedded"
	"github.com/skepdev/skep/engine"
)

// order is a context with all that one can have.
type order struct {
	Item   uint32
	Amount uint16 `skep:"amount,rw"`
	Urgent bool
	Tags   [5]uint8
	Note   embedded.Data
	Price  int64 `skep:"cents,rw"`
}

const (
	offItem, offAmount, offTags, offNote, offNoteEnd, offPrice = 0, 4, 7, 16, 24, 32
)

const orderHook = "shop/order"

// shop declares a hook with helpers of every kind of argument.
func shop(t *testing.T, eng *embedded.Engine, change ...func(*embedded.HookConfig)) *embedded.Hook[order] {
	t.Helper()
	cfg := embedded.HookConfig{
		Results: []embedded.Result{{Name: "SHOP_NO", Value: 0}, {Name: "SHOP_YES", Value: 1}, {Name: "SHOP_ASK", Value: 2}},
		Structs: []embedded.Struct{{Name: "limits", Of: struct {
			Low  uint32
			High uint64
		}{}}},
		Helpers: []embedded.Helper{
			{Proto: "long shop_add(int a, unsigned long b)", Func: func(c *embedded.Call) int64 {
				return int64(int32(c.Arg(0))) + int64(c.Arg(1))
			}},
			{Proto: "void shop_fill(char *to, __u32 to__sz)", Func: func(c *embedded.Call) int64 {
				for i := range c.Bytes(0) {
					c.Bytes(0)[i] = byte(i)
				}
				return 0
			}},
			{Proto: "int shop_sum(struct order *ctx, const void *from__nullable, __u64 from__nullable__sz)", Func: func(c *embedded.Call) int64 {
				sum := int64(0)
				for _, b := range c.Bytes(1) {
					sum += int64(b)
				}
				return sum
			}},
			{Proto: "long shop_limits(struct limits *out)", Func: func(c *embedded.Call) int64 { return int64(len(c.Bytes(0))) }},
			{Proto: "long shop_value(void)", Func: func(c *embedded.Call) int64 { return c.Value().(func() int64)() }},
			{Proto: "long shop_fail(void)", Func: func(c *embedded.Call) int64 { c.Fail(errShop); return 0 }},
		},
	}
	for _, f := range change {
		f(&cfg)
	}
	h, err := embedded.NewHook[order](eng, orderHook, cfg)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

var errShop = errors.New("the shop is closed")

// kfunc is a call by name.
func kfunc(name string) asm.Instruction {
	ins := asm.Instruction{OpCode: asm.Call.Op(asm.ImmSource), Src: asm.PseudoKfuncCall, Constant: -1}
	return ins.WithReference(name)
}

// orderProgram is a collection with one program for the hook.
func orderProgram(name string, insns ...asm.Instruction) *ebpf.CollectionSpec {
	return &ebpf.CollectionSpec{Programs: map[string]*ebpf.ProgramSpec{name: {
		Name: name, SectionName: orderHook, License: "MIT", Instructions: insns,
	}}}
}

func yes() []asm.Instruction { return []asm.Instruction{asm.Mov.Imm(asm.R0, 1), asm.Return()} }

func loadOrder(t *testing.T, eng *embedded.Engine, insns ...asm.Instruction) engine.Program {
	t.Helper()
	coll, err := eng.Load(t.Context(), orderProgram("order", insns...), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { coll.Close() })
	return coll.Programs["order"]
}

// bothEngines runs a test with native code and without.
func bothEngines(t *testing.T, cfg embedded.Config, f func(t *testing.T, eng *embedded.Engine)) {
	for name, interpret := range map[string]bool{"native": false, "interpreted": true} {
		t.Run(name, func(t *testing.T) {
			c := cfg
			c.Interpret = interpret
			eng, err := embedded.New(c)
			if err != nil {
				t.Fatal(err)
			}
			defer eng.Close()
			f(t, eng)
		})
	}
}

func TestHookRun(t *testing.T) {
	bothEngines(t, embedded.Config{CPUs: 2}, func(t *testing.T, eng *embedded.Engine) {
		h := shop(t, eng)
		// cents = shop_add(-item, note[0] + tags[1]) - shop_sum(8 bytes that shop_fill wrote); amount = 77.
		p := loadOrder(t, eng,
			asm.Mov.Reg(asm.R6, asm.R1),
			asm.LoadMem(asm.R2, asm.R6, offNote, asm.DWord),
			asm.LoadMem(asm.R3, asm.R6, offNoteEnd, asm.DWord),
			asm.Mov.Reg(asm.R4, asm.R2),
			asm.Add.Imm(asm.R4, 1),
			asm.Mov.Imm(asm.R0, 2),
			asm.JGT.Reg(asm.R4, asm.R3, "out"),
			asm.LoadMem(asm.R2, asm.R2, 0, asm.Byte),
			asm.LoadMem(asm.R3, asm.R6, offTags+1, asm.Byte),
			asm.Add.Reg(asm.R2, asm.R3),
			asm.LoadMem(asm.R1, asm.R6, offItem, asm.Word),
			asm.Neg.Imm(asm.R1, 0),
			kfunc("shop_add"),
			asm.Mov.Reg(asm.R7, asm.R0),
			asm.Mov.Reg(asm.R1, asm.R10),
			asm.Add.Imm(asm.R1, -8),
			asm.Mov.Imm(asm.R2, 8),
			kfunc("shop_fill"),
			asm.Mov.Reg(asm.R1, asm.R6),
			asm.Mov.Reg(asm.R2, asm.R10),
			asm.Add.Imm(asm.R2, -8),
			asm.Mov.Imm(asm.R3, 8),
			kfunc("shop_sum"),
			asm.Sub.Reg(asm.R7, asm.R0),
			asm.StoreMem(asm.R6, offPrice, asm.R7, asm.DWord),
			asm.StoreImm(asm.R6, offAmount, 77, asm.Half),
			asm.Mov.Imm(asm.R0, 1),
			asm.Return().WithSymbol("out"),
		)
		o := order{Item: 1000, Tags: [5]uint8{0, 30}, Price: 5}
		res, err := h.Run(t.Context(), p, &embedded.Event[order]{Context: &o, Bytes: []byte{12}})
		if err != nil {
			t.Fatal(err)
		}
		if want := int64(-1000 + 12 + 30 - 28); res != 1 || o.Price != want || o.Amount != 77 || o.Item != 1000 {
			t.Errorf("result %d, %+v; want price %d", res, o, want)
		}
		if res, err := h.Run(t.Context(), p, &embedded.Event[order]{}); err != nil || res != 2 {
			t.Errorf("without bytes: %d, %v", res, err)
		}
		if _, err := h.Run(t.Context(), p, &embedded.Event[order]{Bytes: make([]byte, 1<<20)}); err == nil {
			t.Error("a megabyte was taken")
		}
	})
}

// What the verifier refuses, by what it says.
func TestHookRefuses(t *testing.T) {
	eng, err := embedded.New(embedded.Config{CPUs: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer eng.Close()
	shop(t, eng)
	stack := func(reg asm.Register, off int32) []asm.Instruction {
		return []asm.Instruction{asm.Mov.Reg(reg, asm.R10), asm.Add.Imm(reg, off)}
	}
	list := func(parts ...any) (out []asm.Instruction) {
		for _, p := range parts {
			switch p := p.(type) {
			case asm.Instruction:
				out = append(out, p)
			case []asm.Instruction:
				out = append(out, p...)
			}
		}
		return out
	}
	for want, insns := range map[string][]asm.Instruction{
		"invalid bpf_context access off=0 size=4":                    list(asm.StoreImm(asm.R1, offItem, 1, asm.Word), yes()),
		"invalid bpf_context access off=40 size=8":                   list(asm.LoadMem(asm.R2, asm.R1, 40, asm.DWord), yes()),
		"invalid bpf_context access off=12 size=4":                   list(asm.LoadMem(asm.R2, asm.R1, 12, asm.Word), yes()),
		"R1 type=scalar expected=fp":                                 list(asm.Mov.Imm(asm.R1, 1), asm.Mov.Imm(asm.R2, 8), kfunc("shop_fill"), yes()),
		"R1 type=ctx expected=fp":                                    list(asm.Mov.Imm(asm.R2, 8), kfunc("shop_fill"), yes()),
		"invalid write to stack R1 off=-8 size=16":                   list(stack(asm.R1, -8), asm.Mov.Imm(asm.R2, 16), kfunc("shop_fill"), yes()),
		"r2 may be negative":                                         list(asm.LoadMem(asm.R2, asm.R1, offPrice, asm.DWord), stack(asm.R1, -8), kfunc("shop_fill"), yes()),
		"R2 !read_ok":                                                list(stack(asm.R1, -8), kfunc("shop_fill"), yes()),
		"R1 type=fp expected=ctx":                                    list(stack(asm.R1, -8), asm.Mov.Imm(asm.R2, 0), asm.Mov.Imm(asm.R3, 0), kfunc("shop_sum"), yes()),
		"should have been in [0, 2]":                                 list(asm.Mov.Imm(asm.R0, 3), asm.Return()),
		"R0 !read_ok":                                                list(stack(asm.R1, -8), asm.Mov.Imm(asm.R2, 8), kfunc("shop_fill"), asm.Return()),
		"helper bpf_skb_load_bytes (id 26) is not for hook programs": list(asm.FnSkbLoadBytes.Call(), yes()),
		"cannot write into packet":                                   list(asm.LoadMem(asm.R2, asm.R1, offNote, asm.DWord), asm.LoadMem(asm.R3, asm.R1, offNoteEnd, asm.DWord), asm.Mov.Reg(asm.R4, asm.R2), asm.Add.Imm(asm.R4, 1), asm.JGT.Reg(asm.R4, asm.R3, "out"), asm.StoreImm(asm.R2, 0, 1, asm.Byte), asm.Mov.Imm(asm.R0, 1).WithSymbol("out"), asm.Return()),
		"invalid access to packet":                                   list(asm.LoadMem(asm.R2, asm.R1, offNote, asm.DWord), asm.LoadMem(asm.R2, asm.R2, 0, asm.Byte), yes()),
		"infinite loop":                                              list(asm.Mov.Imm(asm.R0, 0).WithSymbol("on"), asm.Ja.Label("on")),
	} {
		_, err := eng.Load(t.Context(), orderProgram("bad", insns...), nil)
		var v *engine.VerifierError
		if !errors.As(err, &v) || !strings.Contains(strings.Join(v.Log, "\n")+v.Error(), want) {
			t.Errorf("want %q:\n%+v", want, err)
		}
	}
	_, err = eng.Load(t.Context(), orderProgram("bad", list(kfunc("shop_steal"), yes())...), nil)
	if !errors.Is(err, engine.ErrNotSupported) || !strings.Contains(err.Error(), "hook shop/order has no function shop_steal; it has shop_add, shop_fill") {
		t.Errorf("a function that is not there: %v", err)
	}
	// NULL where it is allowed.
	loadOrder(t, eng, list(asm.Mov.Imm(asm.R2, 0), asm.Mov.Imm(asm.R3, 0), kfunc("shop_sum"), yes())...)
	loadOrder(t, eng, list(stack(asm.R1, -16), kfunc("shop_limits"), yes())...)
}

func TestHookAttach(t *testing.T) {
	eng, err := embedded.New(embedded.Config{CPUs: 2})
	if err != nil {
		t.Fatal(err)
	}
	defer eng.Close()
	h := shop(t, eng)
	no := loadOrder(t, eng, asm.Mov.Imm(asm.R0, 0), asm.Return())
	ask := loadOrder(t, eng, asm.Mov.Imm(asm.R0, 2), asm.Return())
	fire := func(want int32, runs bool) {
		t.Helper()
		res, ran, err := h.Fire(t.Context(), &embedded.Event[order]{})
		if err != nil || ran != runs || res != want {
			t.Errorf("result %d, ran %v, %v; want %d", res, ran, err, want)
		}
	}
	fire(0, false)
	l, err := eng.Attach(no, h.Target())
	if err != nil {
		t.Fatal(err)
	}
	fire(0, true)
	if info := l.Info(); info.Kind != engine.KindHook || info.Target != "hook shop/order" {
		t.Errorf("%+v", info)
	}
	if _, err := eng.Attach(ask, h.Target()); !errors.Is(err, syscall.EBUSY) {
		t.Errorf("a second program: %v", err)
	}
	if err := l.Update(ask); err != nil {
		t.Fatal(err)
	}
	fire(2, true)
	if s, err := ask.Stats(); err != nil || s.Runs != 1 {
		t.Errorf("%+v, %v", s, err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	fire(0, false)

	// What does not fit.
	if _, err := eng.Attach(no, engine.Hook{Name: "shop/other"}); !errors.Is(err, engine.ErrNotExist) || !strings.Contains(err.Error(), "shop/order") {
		t.Errorf("a hook that is not there: %v", err)
	}
	other, err := embedded.NewHook[order](eng, "shop/other", embedded.HookConfig{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := eng.Attach(no, other.Target()); !errors.Is(err, syscall.EINVAL) {
		t.Errorf("another hook's program: %v", err)
	}
	if _, err := other.Run(t.Context(), no, &embedded.Event[order]{}); !errors.Is(err, syscall.EINVAL) {
		t.Errorf("run of another hook's program: %v", err)
	}
	if _, err := no.Run(&engine.RunInput{}); err == nil {
		t.Error("a test run went on without the hook")
	}
	xdp, err := eng.Load(t.Context(), &ebpf.CollectionSpec{Programs: map[string]*ebpf.ProgramSpec{"x": {
		Name: "x", Type: ebpf.XDP, License: "MIT", Instructions: yes(),
	}}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer xdp.Close()
	if _, err := eng.Attach(xdp.Programs["x"], h.Target()); !errors.Is(err, syscall.EINVAL) {
		t.Errorf("an XDP program: %v", err)
	}
	// Without its hook a program is not loaded, as where nobody knows a section.
	plain, err := embedded.New(embedded.Config{CPUs: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer plain.Close()
	coll, err := plain.Load(t.Context(), orderProgram("order", yes()...), nil)
	if err != nil || len(coll.Programs) != 0 {
		t.Errorf("%v, %v", coll, err)
	}
	coll.Close()
}

func TestHookDeclarations(t *testing.T) {
	eng, err := embedded.New(embedded.Config{CPUs: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer eng.Close()
	nothing := func(*embedded.Call) int64 { return 0 }
	proto := func(p string) embedded.HookConfig {
		return embedded.HookConfig{Helpers: []embedded.Helper{{Proto: p, Func: nothing}}}
	}
	type text struct{ S string }
	type gap struct {
		A uint8
		_ uint8
		B uint16
		_ [4]uint8
		C uint32
		D uint64
		E uint8
	}
	declared := func(name string, cfg embedded.HookConfig) error {
		_, err := embedded.NewHook[gap](eng, name, cfg)
		return err
	}
	_, textErr := embedded.NewHook[text](eng, "a/text", embedded.HookConfig{})
	_, intErr := embedded.NewHook[struct{ N int }](eng, "a/int", embedded.HookConfig{Context: "n"})
	_, twice := embedded.NewHook[struct{ A, B embedded.Data }](eng, "a/twice", embedded.HookConfig{Context: "n"})
	_, anonymous := embedded.NewHook[struct{ N uint32 }](eng, "a/anonymous", embedded.HookConfig{})
	_, tag := embedded.NewHook[struct {
		N uint32 `skep:"n,r"`
	}](eng, "a/tag", embedded.HookConfig{Context: "n"})
	for want, err := range map[string]error{
		"neither a number of known size":  textErr,
		"int is neither a number":         intErr,
		"an event has bytes once":         twice,
		"is no name in C":                 anonymous,
		"may be rw, and nothing else":     tag,
		"are for Linux (xdp)":             declared("xdp", embedded.HookConfig{}),
		"it needs a name":                 declared("", embedded.HookConfig{}),
		"cannot be the name of a section": declared(".maps", embedded.HookConfig{}),
		"it returns a pointer":            declared("a/1", proto("void *f(int a)")),
		"has 6 arguments":                 declared("a/2", proto("int f(int a, int b, int c, int d, int e, int g)")),
		"let its size follow as p__sz":    declared("a/3", proto("int f(void *p, int n)")),
		`has "wchar", which is not known`: declared("a/4", proto("int f(wchar a)")),
		"not among the hook's structures": declared("a/5", proto("int f(struct nobody *p)")),
		"a const char *":                  declared("a/6", proto("int f(char *s__str)")),
		"not a type and a name":           declared("a/7", proto("int f(int)")),
		"a pointer to a pointer":          declared("a/8", proto("int f(char **p)")),
		"of the form":                     declared("a/9", proto("int f")),
		"neither a number nor a pointer":  declared("a/10", proto("int f(struct gap g)")),
		"name of a function of Linux":     declared("a/11", proto("int bpf_map_lookup_elem(int a)")),
		"has no Func":                     declared("a/12", embedded.HookConfig{Helpers: []embedded.Helper{{Proto: "int f(int a)"}}}),
	} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("want %q: %v", want, err)
		}
	}
	h, err := embedded.NewHook[gap](eng, "a/gap", proto("unsigned long int f(unsigned a, const struct gap *ctx, const volatile_t)"))
	if err == nil {
		t.Errorf("a type without a name: %s", h.Header())
	}
	h, err = embedded.NewHook[gap](eng, "a/gap", proto("unsigned long int f(unsigned a, const struct gap *ctx);"))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"struct gap {\n\tconst __u8 a;\n\tconst __u16 b;\n\t__u8 skep_pad_4[4];\n\tconst __u32 c;\n\tconst __u64 d;\n\tconst __u8 e;\n};",
		"extern unsigned long int f(unsigned a, const struct gap *ctx) __ksym;",
	} {
		if !strings.Contains(h.Header(), want) {
			t.Errorf("the header lacks\n%s\n%s", want, h.Header())
		}
	}
	if _, err := embedded.NewHook[gap](eng, "a/gap", embedded.HookConfig{}); !errors.Is(err, engine.ErrExist) {
		t.Errorf("declared twice: %v", err)
	}
}

// spinProgram never ends.
func spinProgram(t *testing.T, eng *embedded.Engine) engine.Program {
	t.Helper()
	return loadOrder(t, eng, asm.Mov.Imm(asm.R0, 0).WithSymbol("on"), asm.Ja.Label("on"))
}

func TestHookBudget(t *testing.T) {
	bothEngines(t, embedded.Config{CPUs: 1, Verify: embedded.VerifyLenient}, func(t *testing.T, eng *embedded.Engine) {
		h := shop(t, eng, func(c *embedded.HookConfig) { c.MaxInstructions = 100_000 })
		p := spinProgram(t, eng)
		start := time.Now()
		_, err := h.Run(t.Context(), p, &embedded.Event[order]{})
		if !errors.Is(err, engine.ErrFault) || !strings.Contains(err.Error(), "still running after 100000 instructions") {
			t.Errorf("%v", err)
		}
		if took := time.Since(start); took > 5*time.Second {
			t.Errorf("it took %v", took)
		}
	})
}

func TestHookCancel(t *testing.T) {
	bothEngines(t, embedded.Config{CPUs: 1, MaxInstructions: 1 << 40, Verify: embedded.VerifyLenient}, func(t *testing.T, eng *embedded.Engine) {
		h := shop(t, eng)
		p, quick := spinProgram(t, eng), loadOrder(t, eng, yes()...)
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		defer cancel()
		var wg sync.WaitGroup
		for range 3 { // one runs, the others wait for the one virtual CPU
			wg.Go(func() {
				start := time.Now()
				_, err := h.Run(ctx, p, &embedded.Event[order]{})
				if !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("%v", err)
				}
				if took := time.Since(start); took > 10*time.Second {
					t.Errorf("it took %v", took)
				}
			})
		}
		wg.Wait()
		if _, err := h.Run(ctx, quick, &embedded.Event[order]{}); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("with a context that is done: %v", err)
		}
		if res, err := h.Run(t.Context(), quick, &embedded.Event[order]{}); err != nil || res != 1 {
			t.Errorf("afterwards: %d, %v", res, err)
		}
	})
}
