package enginetest

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/cilium/ebpf"

	"github.com/skepdev/skep/engine"
)

// patience bounds every wait for something that must come.
const patience = 5 * time.Second

// reporter is what a story needs of *testing.T.
type reporter interface {
	Helper()
	Errorf(format string, args ...any)
	Fatalf(format string, args ...any)
	Skipf(format string, args ...any)
}

// teller runs one story on one engine.
type teller struct {
	r       reporter
	eng     engine.Engine
	objects func(name string) (*ebpf.CollectionSpec, error)
	story   story

	spec *ebpf.CollectionSpec
	opts engine.LoadOptions
	coll *engine.Collection

	input, context []byte
	flags          uint32
	last           engine.RunResult

	rings  map[string]engine.RingReader
	perfs  map[string]engine.PerfReader
	printk engine.PrintkReader
	closes []func() error
}

// tell runs the story; the first step that fails ends it.
func (t *teller) tell() {
	t.r.Helper()
	defer func() {
		if err := t.close(); err != nil {
			t.r.Errorf("%s: %s: close: %v", t.story.file, t.story.name, err)
		}
	}()
	verbs := storyVerbs()
	for _, s := range t.story.steps {
		verb, ok := verbs[s.verb]
		if !ok {
			t.r.Fatalf("%s:%d: no verb %q", t.story.file, s.line, s.verb)
			return
		}
		if err := verb(t, s.words); err != nil {
			t.r.Fatalf("%s:%d: %s %s: %v", t.story.file, s.line, s.verb, strings.Join(s.words, " "), err)
			return
		}
	}
}

func (t *teller) close() error {
	var errs []error
	for _, c := range slices.Backward(t.closes) {
		errs = append(errs, c())
	}
	return errors.Join(append(errs, t.coll.Close())...)
}

// storyVerbs is the grammar of doc.go.
func storyVerbs() map[string]func(*teller, []string) error {
	return map[string]func(*teller, []string) error{
		"object": (*teller).object, "types": (*teller).types, "set": (*teller).set, "needs": (*teller).needs,
		"load": (*teller).loadStep, "refuse": (*teller).refuse,
		"map": (*teller).mapStep, "delete": (*teller).deleteStep, "var": (*teller).varStep,
		"in": (*teller).in, "flags": (*teller).flagsStep, "ctx": (*teller).ctx, "run": (*teller).run,
		"return": (*teller).returned, "out": (*teller).out, "outctx": (*teller).outctx,
		"want": (*teller).want, "sum": (*teller).sum, "count": (*teller).count, "wantvar": (*teller).wantvar,
		"ring": (*teller).ring, "perf": (*teller).perf, "print": (*teller).print,
	}
}

var errWords = errors.New("wrong number of words")

func (t *teller) object(w []string) error {
	if len(w) == 0 {
		return errWords
	}
	spec, err := t.objects(w[0])
	if err != nil {
		return err
	}
	if only := w[1:]; len(only) > 0 {
		for _, name := range only {
			if spec.Programs[name] == nil {
				return fmt.Errorf("the object has no program %s", name)
			}
		}
		keepOnly(spec, only)
	}
	t.spec = spec
	return nil
}

// keepOnly removes the other programs, also from prog arrays.
func keepOnly(spec *ebpf.CollectionSpec, only []string) {
	maps.DeleteFunc(spec.Programs, func(name string, _ *ebpf.ProgramSpec) bool { return !slices.Contains(only, name) })
	for _, m := range spec.Maps {
		if m.Type == ebpf.ProgramArray {
			m.Contents = slices.DeleteFunc(m.Contents, func(kv ebpf.MapKV) bool {
				name, ok := kv.Value.(string)
				return ok && !slices.Contains(only, name)
			})
		}
	}
}

func (t *teller) types(w []string) error {
	if len(w) != 1 {
		return errWords
	}
	spec, err := t.objects(w[0])
	if err == nil {
		t.opts.KernelTypes = spec.Types
	}
	return err
}

// assignment reads NAME… = VALUE.
func assignment(w []string) (left []string, v value, err error) {
	left, right, ok := cutWords(w, "=")
	if !ok {
		return nil, v, errors.New("want … = VALUE")
	}
	v, err = parseValue(right)
	return left, v, err
}

func (t *teller) set(w []string) error {
	left, v, err := assignment(w)
	if err != nil || len(left) != 1 {
		return errors.Join(err, lengthError(left, 1))
	}
	if t.spec == nil || t.coll != nil {
		return errors.New("set comes after object and before loading")
	}
	vs := t.spec.Variables[left[0]]
	if vs == nil {
		return errors.New("the object has no such variable")
	}
	return vs.Set(v.bytes)
}

func lengthError(w []string, n int) error {
	if len(w) != n {
		return errWords
	}
	return nil
}

// loaded loads the object if that has not happened yet.
func (t *teller) loaded() error {
	if t.coll != nil {
		return nil
	}
	if t.spec == nil {
		return errors.New("no object")
	}
	coll, err := t.eng.Load(background(), t.spec, &t.opts)
	if err != nil {
		return fmt.Errorf("load: %w", err)
	}
	t.coll = coll
	return t.openReaders()
}

// openReaders opens readers before the first run: perf events and printed
// lines reach only those who listen.
func (t *teller) openReaders() error {
	t.rings, t.perfs = map[string]engine.RingReader{}, map[string]engine.PerfReader{}
	for _, s := range t.story.steps {
		switch s.verb {
		case "ring", "perf":
			if len(s.words) == 0 {
				return errWords
			}
			if err := t.openReader(s.verb, s.words[0]); err != nil {
				return err
			}
		case "print":
			if t.printk != nil {
				continue
			}
			r, err := t.eng.OpenPrintk()
			if err != nil {
				return err
			}
			t.printk = r
			t.closes = append(t.closes, r.Close)
		}
	}
	return nil
}

func (t *teller) openReader(verb, name string) error {
	if t.rings[name] != nil || t.perfs[name] != nil {
		return nil
	}
	m, err := t.coll.Map(name)
	if err != nil {
		return err
	}
	if verb == "ring" {
		r, err := m.RingReader()
		if err != nil {
			return err
		}
		t.rings[name] = r
		t.closes = append(t.closes, r.Close)
		return nil
	}
	r, err := m.PerfReader(engine.PerfOptions{})
	if err != nil {
		return err
	}
	t.perfs[name] = r
	t.closes = append(t.closes, r.Close)
	return nil
}

func (t *teller) loadStep(w []string) error {
	return checkFailure(t.loaded(), w)
}

// checkFailure compares err with an optional "fails NAME".
func checkFailure(err error, w []string) error {
	if len(w) == 0 {
		return err
	}
	if len(w) != 2 || w[0] != "fails" {
		return errWords
	}
	want, err2 := errorNamed(w[1])
	switch {
	case err2 != nil:
		return err2
	case err == nil:
		return errors.New("did not fail")
	case !errors.Is(err, want):
		return fmt.Errorf("failed otherwise: %w", err)
	}
	return nil
}

// errorNamed is the sentinel or errno of that name.
func errorNamed(name string) (error, error) {
	known := map[string]error{
		"ErrNotSupported": engine.ErrNotSupported, "ErrKeyNotExist": engine.ErrKeyNotExist,
		"ErrKeyExist": engine.ErrKeyExist, "ErrReadOnly": engine.ErrReadOnly, "ErrFull": engine.ErrFull,
		"ErrRejected": engine.ErrRejected, "ErrFault": engine.ErrFault, "ErrNotExist": engine.ErrNotExist,
		"EINVAL": syscall.EINVAL, "E2BIG": syscall.E2BIG, "ENOENT": syscall.ENOENT, "EEXIST": syscall.EEXIST,
		"EPERM": syscall.EPERM, "ENOSPC": syscall.ENOSPC, "EBADF": syscall.EBADF, "EBUSY": syscall.EBUSY, "ENOTSUPP": syscall.Errno(524),
	}
	if e, ok := known[name]; ok {
		return e, nil
	}
	return nil, fmt.Errorf("no error named %s", name)
}

// refuse: a verifier says no, or without one the run faults.
func (t *teller) refuse(w []string) error {
	if len(w) != 1 {
		return errWords
	}
	err := t.loaded()
	if err == nil {
		var p engine.Program
		if p, err = t.coll.Program(w[0]); err != nil {
			return err
		}
		_, err = p.Run(&engine.RunInput{Data: t.input, Context: t.context})
	}
	switch {
	case err == nil:
		return errors.New("was loaded and ran")
	case !errors.Is(err, engine.ErrRejected) && !errors.Is(err, engine.ErrFault):
		return fmt.Errorf("failed otherwise: %w", err)
	}
	return nil
}

// packet builds a PACKET: layers, of which any may be a packet's name.
func (t *teller) packet(w []string) ([]byte, error) {
	if len(w) == 0 {
		return nil, errWords
	}
	parts := strings.Split(strings.Join(w, " "), " / ")
	for i, p := range parts {
		if layers, ok := t.story.packets[p]; ok {
			parts[i] = layers
		}
	}
	return buildPacket(strings.Join(parts, " / "))
}

func (t *teller) in(w []string) (err error) {
	t.input, err = t.packet(w)
	return err
}

func (t *teller) flagsStep(w []string) error {
	if len(w) != 1 {
		return errWords
	}
	n, err := strconv.ParseUint(w[0], 0, 32)
	t.flags = uint32(n)
	return err
}

func (t *teller) ctx(w []string) (err error) {
	t.context, _, err = parseContext(w)
	return err
}

func (t *teller) run(w []string) error {
	if len(w) == 0 {
		return errWords
	}
	if err := t.loaded(); err != nil {
		return err
	}
	p, err := t.coll.Program(w[0])
	if err != nil {
		return err
	}
	in := engine.RunInput{Data: t.input, Context: t.context, Flags: t.flags}
	switch p.Info().Type {
	case ebpf.XDP, ebpf.SchedCLS, ebpf.SchedACT, ebpf.CGroupSKB, ebpf.SocketFilter:
		in.WantContext = true
	}
	w = w[1:]
	if len(w) >= 2 && w[0] == "times" {
		if in.Repeat, err = strconv.Atoi(w[1]); err != nil {
			return err
		}
		w = w[2:]
	}
	t.last, err = p.Run(&in)
	return checkFailure(err, w)
}

// returned also knows the names of XDP and tc verdicts.
func (t *teller) returned(w []string) error {
	if len(w) != 1 {
		return errWords
	}
	want, ok := map[string]uint32{
		"XDP_ABORTED": 0, "XDP_DROP": 1, "XDP_PASS": 2, "XDP_TX": 3, "XDP_REDIRECT": 4,
		"TC_ACT_UNSPEC": 0xffffffff, "TC_ACT_OK": 0, "TC_ACT_SHOT": 2,
	}[w[0]]
	if !ok {
		n, err := strconv.ParseInt(w[0], 0, 64)
		if err != nil {
			return err
		}
		want = uint32(n)
	}
	if t.last.Return != want {
		return fmt.Errorf("returned %d", int32(t.last.Return))
	}
	return nil
}

func (t *teller) out(w []string) error {
	want := t.input
	if len(w) != 1 || w[0] != "same" {
		var err error
		if want, err = t.packet(w); err != nil {
			return err
		}
	}
	return samePacket(want, t.last.Data)
}

func samePacket(want, have []byte) error {
	if string(want) == string(have) {
		return nil
	}
	at := 0
	for at < min(len(want), len(have)) && want[at] == have[at] {
		at++
	}
	return fmt.Errorf("packet has %d bytes, want %d; they differ from byte %d on\nhave %x\nwant %x", len(have), len(want), at, have, want)
}

func (t *teller) outctx(w []string) error {
	raw, set, err := parseContext(w)
	if err != nil {
		return err
	}
	if len(t.last.Context) < len(raw) {
		return fmt.Errorf("the run gave a context of %d bytes", len(t.last.Context))
	}
	for _, name := range slices.Sorted(maps.Keys(set)) {
		if have := set[name].get(t.last.Context); have != set[name].get(raw) {
			return fmt.Errorf("%s is %d", name, have)
		}
	}
	return nil
}
