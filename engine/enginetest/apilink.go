package enginetest

import (
	"encoding/binary"
	"path/filepath"
	"testing"
	"time"

	"github.com/cilium/ebpf"

	"github.com/skepdev/skep/bpf"
	"github.com/skepdev/skep/engine"
)

func pinDir(t *testing.T, opts Options) string {
	t.Helper()
	if opts.PinDir == nil {
		t.Skip("needs Options.PinDir")
	}
	return opts.PinDir(t)
}

func device(t *testing.T, opts Options) Device {
	t.Helper()
	if opts.Device == nil {
		t.Skip("needs Options.Device")
	}
	return opts.Device(t)
}

func pinMap(t *testing.T, eng engine.Engine, opts Options) {
	path := filepath.Join(pinDir(t, opts), "map")
	_, err := eng.OpenMap(path)
	isErr(t, "open what is not", err, engine.ErrNotExist)
	m, err := eng.NewMap(&ebpf.MapSpec{Name: "pinned", Type: ebpf.Hash, KeySize: 4, ValueSize: 8, MaxEntries: 4})
	must(t, "new map", err)
	must(t, "update", m.Update(u32(1), u64(11), 0))
	must(t, "pin", m.Pin(path))
	must(t, "close", m.Close())
	again, err := eng.OpenMap(path)
	must(t, "open", err)
	defer again.Close()
	val := make([]byte, 8)
	must(t, "lookup", again.Lookup(u32(1), val, 0))
	if binary.NativeEndian.Uint64(val) != 11 {
		t.Errorf("value %x", val)
	}
	if i := again.Info(); i.Type != ebpf.Hash || i.KeySize != 4 || i.ValueSize != 8 || i.MaxEntries != 4 {
		t.Errorf("info %+v", i)
	}
	other := newHash(t, eng, 1)
	isErr(t, "pin over a pin", other.Pin(path), engine.ErrExist)
	if _, err := eng.OpenProgram(path); err == nil {
		t.Error("a map was opened as a program")
	}
	must(t, "unpin", again.Unpin())
	_, err = eng.OpenMap(path)
	isErr(t, "open after unpin", err, engine.ErrNotExist)
}

func pinProgram(t *testing.T, eng engine.Engine, opts Options) {
	path := filepath.Join(pinDir(t, opts), "prog")
	coll := load(t, eng, "xdp", "longer")
	p := program(t, coll, "longer")
	id := p.Info().ID
	must(t, "pin", p.Pin(path))
	must(t, "close", coll.Close())
	again, err := eng.OpenProgram(path)
	must(t, "open", err)
	defer again.Close()
	if i := again.Info(); i.ID != id || i.Type != ebpf.XDP {
		t.Errorf("info %+v, want id %d", i, id)
	}
	res, err := again.Run(&engine.RunInput{Data: make([]byte, 64)})
	must(t, "run", err)
	if res.Return != 1 {
		t.Errorf("returned %d", res.Return)
	}
	must(t, "unpin", again.Unpin())
	_, err = eng.OpenProgram(path)
	isErr(t, "open after unpin", err, engine.ErrNotExist)
}

// pinLink: a pinned link outlives its handle and its program's, and works on.
func pinLink(t *testing.T, eng engine.Engine, opts Options) {
	path := filepath.Join(pinDir(t, opts), "link")
	dev := device(t, opts)
	coll := load(t, eng, "xdp", "count")
	counts := mapNamed(t, coll, "by_type")
	lnk, err := eng.Attach(program(t, coll, "count"), engine.XDP{Device: dev.Target})
	must(t, "attach", err)
	must(t, "pin", lnk.Pin(path))
	must(t, "close link", lnk.Close())
	dev.send(t, 3)
	wantCount(t, counts, 3)
	again, err := eng.OpenLink(path)
	must(t, "open", err)
	if i := again.Info(); i.Kind != engine.KindXDP || i.ProgramID != program(t, coll, "count").Info().ID {
		t.Errorf("info %+v", i)
	}
	must(t, "unpin", again.Unpin())
	must(t, "close", again.Close())
	dev.send(t, 3)
	wantCount(t, counts, 3)
	_, err = eng.OpenLink(path)
	isErr(t, "open after unpin", err, engine.ErrNotExist)
}

// probe is a frame of an EtherType that nobody else uses here.
func probe() []byte {
	frame := make([]byte, 60)
	copy(frame, "\xff\xff\xff\xff\xff\xff\x02\x00\x00\x00\x00\x09\x88\xb5") // local experiments, IEEE 802
	return frame
}

const probeType = 0x88b5

func (d Device) send(t *testing.T, n int) {
	t.Helper()
	for range n {
		must(t, "receive", d.Receive(probe()))
	}
}

// wantCount waits for a count, and a little longer for one too many.
func wantCount(t *testing.T, m engine.Map, want uint64) {
	t.Helper()
	val := make([]byte, 16)
	have := func() uint64 {
		if m.Lookup(u32(probeType), val, 0) != nil {
			return 0
		}
		return binary.NativeEndian.Uint64(val)
	}
	for deadline := time.Now().Add(patience); have() < want && time.Now().Before(deadline); {
		time.Sleep(time.Millisecond)
	}
	time.Sleep(20 * time.Millisecond)
	if n := have(); n != want {
		t.Errorf("%d frames counted, want %d", n, want)
	}
}

func attachXDP(t *testing.T, eng engine.Engine, opts Options) {
	dev := device(t, opts)
	coll := load(t, eng, "xdp", "count")
	p, counts := program(t, coll, "count"), mapNamed(t, coll, "by_type")
	lnk, err := eng.Attach(p, engine.XDP{Device: dev.Target})
	must(t, "attach", err)
	if i := lnk.Info(); i.Kind != engine.KindXDP || i.ProgramID != p.Info().ID || i.Target == "" {
		t.Errorf("info %+v", i)
	}
	dev.send(t, 5)
	wantCount(t, counts, 5)
	if second, err := eng.Attach(p, engine.XDP{Device: dev.Target}); err == nil {
		t.Error("two XDP programs on one device")
		_ = second.Close()
	}
	must(t, "close program", p.Close())
	dev.send(t, 1)
	wantCount(t, counts, 6)
	must(t, "close", lnk.Close())
	must(t, "close twice", lnk.Close())
	dev.send(t, 1)
	wantCount(t, counts, 6)
	tc := load(t, eng, "skb", "fields")
	if wrong, err := eng.Attach(program(t, tc, "fields"), engine.XDP{Device: dev.Target}); err == nil {
		t.Error("a tc program was attached to XDP")
		_ = wrong.Close()
	}
	nowhere := dev.Target
	nowhere.Name, nowhere.Index = "no-such-dev", 0
	again := load(t, eng, "xdp", "count")
	if lost, err := eng.Attach(program(t, again, "count"), engine.XDP{Device: nowhere}); err == nil {
		t.Error("attached to a device that is not there")
		_ = lost.Close()
	}
}

func attachTCX(t *testing.T, eng engine.Engine, opts Options) {
	dev := device(t, opts)
	spec, err := bpf.PacketOfDeath()
	must(t, "object", err)
	coll, err := eng.Load(t.Context(), spec, nil)
	must(t, "load", err)
	defer coll.Close()
	must(t, "rule", mapNamed(t, coll, bpf.DeathRulesMap).Update(u32(0), bpf.DeathRule{
		Flags: bpf.DeathEnabled, PatternBase: bpf.DeathFrame, PatternLength: 2, PatternOffset: 12,
		Pattern: [16]byte{0x88, 0xb5}, PatternMask: [16]byte{0xff, 0xff},
	}.Bytes(), 0))
	must(t, "config", mapNamed(t, coll, bpf.DeathConfigMap).Update(u32(0), bpf.DeathConfig{Rules: 1, Sample: 1}.Bytes(), 0))
	r, err := mapNamed(t, coll, bpf.DeathEventsMap).RingReader()
	must(t, "ring", err)
	defer r.Close()
	lnk, err := eng.Attach(program(t, coll, bpf.DeathIngressPass), engine.TCX{Device: dev.Target})
	must(t, "attach", err)
	defer lnk.Close()
	next := func(what string, want bpf.DeathVerdict) {
		t.Helper()
		dev.send(t, 1)
		r.SetDeadline(time.Now().Add(patience))
		rec, err := r.Read()
		must(t, what, err)
		e, err := bpf.DecodeDeathEvent(rec.Data)
		must(t, what, err)
		if e.Verdict != want || e.Hook != bpf.DeathIngress || e.Length != 60 {
			t.Errorf("%s: event %+v", what, e)
		}
	}
	next("pass", bpf.DeathPass)
	must(t, "update", lnk.Update(program(t, coll, bpf.DeathIngressDrop)))
	next("drop", bpf.DeathDrop)
	must(t, "update", lnk.Update(program(t, coll, bpf.DeathIngressPass)))
	next("pass again", bpf.DeathPass)
}

// updateUnderTraffic: a program is replaced again and again while frames come;
// each frame meets exactly one of the two variants.
func updateUnderTraffic(t *testing.T, eng engine.Engine, opts Options) {
	dev := device(t, opts)
	spec, err := bpf.PacketOfDeath()
	must(t, "object", err)
	coll, err := eng.Load(t.Context(), spec, nil)
	must(t, "load", err)
	defer coll.Close()
	must(t, "rule", mapNamed(t, coll, bpf.DeathRulesMap).Update(u32(0), bpf.DeathRule{
		Flags: bpf.DeathEnabled, PatternBase: bpf.DeathFrame, PatternLength: 2, PatternOffset: 12,
		Pattern: [16]byte{0x88, 0xb5}, PatternMask: [16]byte{0xff, 0xff},
	}.Bytes(), 0))
	must(t, "config", mapNamed(t, coll, bpf.DeathConfigMap).Update(u32(0), bpf.DeathConfig{Rules: 1}.Bytes(), 0))
	variants := []engine.Program{program(t, coll, bpf.DeathXDPDrop), program(t, coll, bpf.DeathXDPPass)}
	lnk, err := eng.Attach(variants[1], engine.XDP{Device: dev.Target})
	must(t, "attach", err)
	defer lnk.Close()

	counters := mapNamed(t, coll, bpf.DeathCountersMap)
	value := make([]byte, counters.Info().ValueBytes)
	count := func() bpf.DeathCounters {
		must(t, "lookup", counters.Lookup(u32(0), value, 0))
		c, err := bpf.SumDeathCounters(value)
		must(t, "sum", err)
		return c
	}

	// Frames come until both variants have met some, 2000 at least.
	enough := make(chan struct{})
	type result struct {
		frames uint64
		err    error
	}
	sent := make(chan result, 1)
	go func() {
		var r result
		for over := false; r.err == nil && (!over || r.frames < 2000); r.frames++ {
			r.err = dev.Receive(probe())
			select {
			case <-enough:
				over = true
			default:
			}
		}
		sent <- r
	}()
	deadline := time.Now().Add(patience)
	updates := 0
	for both := false; !both && time.Now().Before(deadline); both = count().Passed > 0 && count().Dropped > 0 {
		for range 100 {
			must(t, "update", lnk.Update(variants[updates%2]))
			updates++
		}
	}
	close(enough)
	r := <-sent
	must(t, "receive", r.err)
	c := count()
	for ; c.Passed+c.Dropped < r.frames && time.Now().Before(deadline.Add(patience)); c = count() {
		time.Sleep(time.Millisecond)
	}
	if c.Passed+c.Dropped != r.frames || c.Passed == 0 || c.Dropped == 0 {
		t.Errorf("%d frames passed and %d dropped of %d, in %d updates", c.Passed, c.Dropped, r.frames, updates)
	}
}

func updateWrongType(t *testing.T, eng engine.Engine, opts Options) {
	dev := device(t, opts)
	xdp, tc := load(t, eng, "xdp", "count"), load(t, eng, "skb", "fields")
	lnk, err := eng.Attach(program(t, xdp, "count"), engine.XDP{Device: dev.Target})
	must(t, "attach", err)
	defer lnk.Close()
	if err := lnk.Update(program(t, tc, "fields")); err == nil {
		t.Error("an XDP link took a tc program")
	}
	dev.send(t, 2)
	wantCount(t, mapNamed(t, xdp, "by_type"), 2)
	must(t, "detach", lnk.Detach())
	dev.send(t, 2)
	wantCount(t, mapNamed(t, xdp, "by_type"), 2)
}
