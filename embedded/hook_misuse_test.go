package embedded_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"

	"github.com/skepdev/skep/embedded"
	"github.com/skepdev/skep/engine"
	"github.com/skepdev/skep/vm"
)

// valueProgram returns what shop_value returns.
func valueProgram(t *testing.T, eng *embedded.Engine) engine.Program {
	t.Helper()
	return loadOrder(t, eng, kfunc("shop_value"), asm.And.Imm(asm.R0, 1), asm.Return())
}

// A function that runs a program needs a second virtual CPU, and is told if there
// is none, however it nests.
func TestHookRecursion(t *testing.T) {
	for _, cpus := range []int{1, 3} {
		eng, err := embedded.New(embedded.Config{CPUs: cpus})
		if err != nil {
			t.Fatal(err)
		}
		h := shop(t, eng)
		p := valueProgram(t, eng)
		depth, last := 0, error(nil)
		var again func() int64
		again = func() int64 {
			depth++
			_, err := h.Run(t.Context(), p, &embedded.Event[order]{Value: again})
			if err != nil && last == nil {
				last = err
			}
			return 1
		}
		if res, err := h.Run(t.Context(), p, &embedded.Event[order]{Value: again}); err != nil || res != 1 {
			t.Errorf("%d CPUs: %d, %v", cpus, res, err)
		}
		if !errors.Is(last, vm.ErrNested) || depth != cpus {
			t.Errorf("%d CPUs: %d runs, %v", cpus, depth, last)
		}
		eng.Close()
	}
}

// A function's panic is the host's own; the engine stays whole.
func TestHookPanic(t *testing.T) {
	bothEngines(t, embedded.Config{CPUs: 1}, func(t *testing.T, eng *embedded.Engine) {
		h := shop(t, eng)
		p := valueProgram(t, eng)
		for range 3 {
			func() {
				defer func() {
					if v := recover(); v != "shop on fire" {
						t.Errorf("recovered %v", v)
					}
				}()
				_, _ = h.Run(t.Context(), p, &embedded.Event[order]{Value: func() int64 { panic("shop on fire") }})
			}()
			if res, err := h.Run(t.Context(), p, &embedded.Event[order]{Value: func() int64 { return 1 }}); err != nil || res != 1 {
				t.Errorf("afterwards: %d, %v", res, err)
			}
		}
	})
}

// What a function says ends the run is the run's error.
func TestHookFail(t *testing.T) {
	bothEngines(t, embedded.Config{CPUs: 1}, func(t *testing.T, eng *embedded.Engine) {
		h := shop(t, eng)
		p := loadOrder(t, eng, kfunc("shop_fail"), asm.Mov.Imm(asm.R0, 1), asm.Return())
		_, err := h.Run(t.Context(), p, &embedded.Event[order]{})
		var f *engine.FaultError
		if !errors.Is(err, errShop) || !errors.As(err, &f) || f.Instruction != 0 {
			t.Errorf("%v", err)
		}
	})
}

// A program that nobody verified gives functions what it likes.
func TestHookUnverified(t *testing.T) {
	bothEngines(t, embedded.Config{CPUs: 1, Verify: embedded.VerifyNone}, func(t *testing.T, eng *embedded.Engine) {
		h := shop(t, eng)
		for want, p := range map[string]engine.Program{
			"null pointer":            loadOrder(t, eng, asm.Mov.Imm(asm.R1, 0), asm.Mov.Imm(asm.R2, 8), kfunc("shop_fill"), asm.Mov.Imm(asm.R0, 1), asm.Return()),
			"belongs to nothing":      loadOrder(t, eng, asm.LoadImm(asm.R1, 1<<40, asm.DWord), asm.Mov.Imm(asm.R2, 8), kfunc("shop_fill"), asm.Mov.Imm(asm.R0, 1), asm.Return()),
			"below the frame pointer": loadOrder(t, eng, asm.Mov.Reg(asm.R1, asm.R10), asm.Add.Imm(asm.R1, -8), asm.Mov.Imm(asm.R2, 600), kfunc("shop_fill"), asm.Mov.Imm(asm.R0, 1), asm.Return()),
		} {
			if p == nil {
				continue
			}
			_, err := h.Run(t.Context(), p, &embedded.Event[order]{})
			if !errors.Is(err, engine.ErrFault) || !strings.Contains(err.Error(), want) {
				t.Errorf("want %q: %v", want, err)
			}
		}
		// Read-only fields that it wrote stay what they are.
		p := loadOrder(t, eng, asm.StoreImm(asm.R1, offItem, 7, asm.Word), asm.StoreImm(asm.R1, offAmount, 7, asm.Half), asm.Mov.Imm(asm.R0, 1), asm.Return())
		o := order{}
		if _, err := h.Run(t.Context(), p, &embedded.Event[order]{Context: &o}); err != nil || o.Item != 0 || o.Amount != 7 {
			t.Errorf("%+v, %v", o, err)
		}
	})
}

// Programs are run, replaced, closed and their engine ended at the same time.
func TestHookCloseWhileRunning(t *testing.T) {
	for range 5 {
		eng, err := embedded.New(embedded.Config{CPUs: 2})
		if err != nil {
			t.Fatal(err)
		}
		h := shop(t, eng)
		var started, ended atomic.Int64
		value := func() int64 { return 1 }
		coll, err := eng.Load(t.Context(), orderProgram("order", kfunc("shop_value"), asm.And.Imm(asm.R0, 1), asm.Return()), nil)
		if err != nil {
			t.Fatal(err)
		}
		l, err := eng.Attach(coll.Programs["order"], h.Target())
		if err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				for range 2000 {
					started.Add(1)
					_, ran, err := h.Fire(context.Background(), &embedded.Event[order]{Value: value})
					if err != nil && !errors.Is(err, engine.ErrClosed) {
						t.Error(err)
						return
					}
					if !ran {
						return
					}
					ended.Add(1)
				}
			})
		}
		for started.Load() < 100 {
		}
		for range 20 {
			next, err := eng.Load(context.Background(), orderProgram("order", kfunc("shop_value"), asm.And.Imm(asm.R0, 1), asm.Return()), nil)
			if err != nil {
				t.Fatal(err)
			}
			if err := l.Update(next.Programs["order"]); err != nil {
				t.Fatal(err)
			}
			coll.Close()
			coll = next
		}
		coll.Close()
		eng.Close()
		l.Close()
		wg.Wait()
		if ended.Load() == 0 {
			t.Error("nothing ran")
		}
		if _, ran, _ := h.Fire(context.Background(), &embedded.Event[order]{Value: value}); ran {
			t.Error("a program ran after all was closed")
		}
		if _, err := embedded.NewHook[order](eng, "late", embedded.HookConfig{}); !errors.Is(err, engine.ErrClosed) {
			t.Errorf("a hook of a closed engine: %v", err)
		}
	}
}

// Programs of one hook do not call those of another.
func TestHookTailCalls(t *testing.T) {
	eng, err := embedded.New(embedded.Config{CPUs: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer eng.Close()
	h := shop(t, eng)
	if _, err := embedded.NewHook[order](eng, "shop/other", embedded.HookConfig{}); err != nil {
		t.Fatal(err)
	}
	spec := orderProgram("first",
		asm.LoadMapPtr(asm.R2, 0).WithReference("next"), asm.Mov.Imm(asm.R3, 0), asm.FnTailCall.Call(), asm.Mov.Imm(asm.R0, 0), asm.Return())
	spec.Maps = map[string]*ebpf.MapSpec{"next": {Name: "next", Type: ebpf.ProgramArray, KeySize: 4, ValueSize: 4, MaxEntries: 1}}
	spec.Programs["second"] = &ebpf.ProgramSpec{Name: "second", SectionName: orderHook, License: "MIT", Instructions: yes()}
	spec.Programs["other"] = &ebpf.ProgramSpec{Name: "other", SectionName: "shop/other", License: "MIT", Instructions: yes()}
	coll, err := eng.Load(t.Context(), spec, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer coll.Close()
	run := func(want int32) {
		t.Helper()
		if res, err := h.Run(t.Context(), coll.Programs["first"], &embedded.Event[order]{}); err != nil || res != want {
			t.Errorf("%d, %v; want %d", res, err, want)
		}
	}
	run(0)
	key := make([]byte, 4)
	if err := coll.Maps["next"].UpdateProgram(key, coll.Programs["second"], 0); err != nil {
		t.Fatal(err)
	}
	run(1)
	if err := coll.Maps["next"].UpdateProgram(key, coll.Programs["other"], 0); err == nil || !strings.Contains(err.Error(), "hook shop/order") {
		t.Errorf("another hook's program: %v", err)
	}
}

func BenchmarkHook(b *testing.B) {
	eng, err := embedded.New(embedded.Config{})
	if err != nil {
		b.Fatal(err)
	}
	defer eng.Close()
	h, err := embedded.NewHook[order](eng, orderHook, embedded.HookConfig{})
	if err != nil {
		b.Fatal(err)
	}
	coll, err := eng.Load(b.Context(), orderProgram("order",
		asm.LoadMem(asm.R0, asm.R1, offItem, asm.Word), asm.StoreMem(asm.R1, offPrice, asm.R0, asm.DWord), asm.Return()), nil)
	if err != nil {
		b.Fatal(err)
	}
	defer coll.Close()
	l, err := eng.Attach(coll.Programs["order"], h.Target())
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		o := order{Item: 3}
		ev := embedded.Event[order]{Context: &o, Bytes: []byte("hello")}
		for pb.Next() {
			if res, ran, err := h.Fire(context.Background(), &ev); res != 3 || !ran || err != nil {
				b.Fatal(res, ran, err)
			}
		}
	})
}
