package main

import (
	"bytes"
	"context"
	_ "embed"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/cilium/ebpf"

	"github.com/skepdev/skep/engine"
	"github.com/skepdev/skep/object"
)

//go:embed testdata/plain.bpf.o
var plainObject []byte

//go:embed testdata/maps.bpf.o
var mapsObject []byte

// programs in the order of the table; those of native.c come first.
var programs = []string{
	"noop", "arithmetic", "division", "sieve", "checksum", "copy", "search", "calls", "parse",
	"parse_count", "percpu_count", "hash_lookup", "hash_update", "lru_lookup", "lpm_lookup", "tail_calls", "ring_output",
	"balancer", "meter",
}

// peer is an engine with everything loaded.
type peer struct {
	eng         engine.Engine
	interpreted bool
	colls       []*engine.Collection
	specs       []*ebpf.CollectionSpec
}

func newPeer(ctx context.Context, eng engine.Engine, interpreted bool) (*peer, error) {
	p := &peer{eng: eng, interpreted: interpreted}
	for _, obj := range [][]byte{plainObject, mapsObject} {
		spec, err := object.Open(bytes.NewReader(obj), int64(len(obj)), nil)
		if err != nil {
			return nil, err
		}
		p.specs = append(p.specs, spec.Copy())
		coll, err := eng.Load(ctx, spec, nil)
		if err != nil {
			p.close()
			return nil, err
		}
		p.colls = append(p.colls, coll)
	}
	if err := p.fill(p.colls[1]); err != nil {
		p.close()
		return nil, err
	}
	return p, nil
}

func (p *peer) close() {
	for _, c := range p.colls {
		_ = c.Close()
	}
}

// fill puts into the maps what the programs look up.
func (p *peer) fill(c *engine.Collection) error {
	le := func(words ...uint32) (b []byte) {
		for _, w := range words {
			b = append(b, byte(w), byte(w>>8), byte(w>>16), byte(w>>24))
		}
		return b
	}
	put := func(name string, key, value []byte) error { return c.Maps[name].Update(key, value, 0) }
	for i := range uint32(5000) {
		for _, m := range []string{"hash", "lru"} {
			if err := put(m, le(i), le(i, 0)); err != nil {
				return err
			}
		}
	}
	for i := range uint32(500) { // 10.x.0.0/16 and 10.0.x.0/24
		length, addr := uint32(16), []byte{10, byte(i), 0, 0}
		if i >= 250 {
			length, addr = 24, []byte{10, 0, byte(i), 0}
		}
		if err := put("routes", append(le(length), addr...), le(i)); err != nil {
			return err
		}
	}
	if err := put("vips", []byte{10, 0, 0, 2, 0, 53, 17, 0}, le(10, 100)); err != nil {
		return err
	}
	for i := range uint32(200) {
		if err := put("backends_of", le(i), []byte{2, 0, 0, 0, 9, byte(i), 1, 0, 0, 0, 0, 0, 0, 0, 0, 0}); err != nil {
			return err
		}
	}
	return c.Maps["chain"].UpdateProgram(le(0), c.Programs["tail_calls"], 0)
}

// packet is a UDP datagram to the balancer's address.
func packet() []byte {
	b := make([]byte, 1500)
	for i := range b {
		b[i] = byte(i * 7)
	}
	copy(b, "\x02\x00\x00\x00\x00\x01\x02\x00\x00\x00\x00\x02\x08\x00\x45\x00\x05\xce\x00\x00\x00\x00\x40\x11\x00\x00\x0a\x00\x00\x01\x0a\x00\x00\x02\x30\x39\x00\x35\x00\x00\x00\x00")
	return b
}

// roundTime is about how long one measurement takes.
const roundTime = 4 * time.Millisecond

// measure fills r with the medians, or the best, of rounds in which all peers have their
// turn, and checks that they agree on what the program returns.
func measure(r *row, peers []*peer, o options) error {
	times := make([][]float64, len(peers))
	repeats := make([]int, len(peers))
	var returned uint32
	for i, p := range peers {
		prog, in := p.program(r.Program), &engine.RunInput{Data: packet(), NoDataOut: true, Repeat: 1}
		res, err := prog.Run(in)
		if err != nil {
			return fmt.Errorf("run on %s: %w", p.eng.Name(), err)
		}
		if i == 0 {
			returned, r.Instructions = res.Return, prog.Info().Instructions
		}
		if res.Return != returned {
			return fmt.Errorf("%s returns %d, another engine %d", p.eng.Name(), res.Return, returned)
		}
		repeats[i] = 64
		for repeats[i] < 1<<20 && p.run(prog, repeats[i]) < roundTime {
			repeats[i] *= 2
		}
	}
	for range o.rounds {
		for i, p := range peers {
			took := p.run(p.program(r.Program), repeats[i])
			times[i] = append(times[i], float64(took.Nanoseconds())/float64(repeats[i]))
		}
	}
	for i, p := range peers {
		t := median(times[i])
		if o.best {
			t = slices.Min(times[i])
		}
		switch {
		case p.eng.Name() == "kernel":
			r.Kernel, r.KernelLoad = t, p.loadTime(r.Program)
		case p.interpreted:
			r.Interpreter = t
		default:
			r.JIT, r.Load = t, p.loadTime(r.Program)
		}
	}
	return nil
}

func (p *peer) program(name string) engine.Program {
	for _, c := range p.colls {
		if prog := c.Programs[name]; prog != nil {
			return prog
		}
	}
	return nil
}

// run is the time that so many runs take. The kernel's system call takes long
// itself, so there its own figure counts, which is in whole nanoseconds a run.
func (p *peer) run(prog engine.Program, repeat int) time.Duration {
	start := time.Now()
	res, err := prog.Run(&engine.RunInput{Data: packet(), NoDataOut: true, Repeat: repeat})
	switch {
	case err != nil:
		return math.MaxInt64
	case p.eng.Name() == "kernel":
		return res.Duration * time.Duration(repeat)
	}
	return time.Since(start)
}

// loadTime is the microseconds that loading the program takes once its maps are
// there, at best: checks, relocations and compiling.
func (p *peer) loadTime(name string) float64 {
	best := math.Inf(1)
	for i, spec := range p.specs {
		if spec.Programs[name] == nil {
			continue
		}
		for range 5 {
			one := spec.Copy()
			for n := range one.Programs {
				if n != name {
					delete(one.Programs, n)
				}
			}
			start := time.Now()
			c, err := p.eng.Load(context.Background(), one, &engine.LoadOptions{Maps: p.colls[i].Maps})
			took := time.Since(start)
			if err != nil {
				return 0
			}
			_ = c.Close()
			best = min(best, float64(took.Nanoseconds())/1000)
		}
	}
	return best
}

// nativeTimes compiles native.c and runs it.
func nativeTimes(ctx context.Context, compiler string) (map[string]float64, error) {
	if compiler == "" {
		return nil, nil
	}
	root, err := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Dir}}").Output()
	if err != nil {
		return nil, fmt.Errorf("find the module's sources: %w", err)
	}
	dir, err := os.MkdirTemp("", "skep-bench-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	bin := filepath.Join(dir, "native")
	cc := exec.CommandContext(ctx, compiler, "-O2", "-w", "-I.", "-o", bin, "cmd/bench/testdata/native.c")
	cc.Dir = strings.TrimSpace(string(root))
	if out, err := cc.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("compile native.c: %w\n%s", err, out)
	}
	out, err := exec.CommandContext(ctx, bin).Output()
	if err != nil {
		return nil, fmt.Errorf("run native.c: %w", err)
	}
	times := map[string]float64{}
	for line := range strings.Lines(string(out)) {
		if name, value, ok := strings.Cut(strings.TrimSpace(line), " "); ok {
			times[name], _ = strconv.ParseFloat(value, 64)
		}
	}
	return times, nil
}

func median(v []float64) float64 {
	slices.Sort(v)
	return v[len(v)/2]
}

func geomean(v []float64) float64 {
	if len(v) == 0 {
		return 0
	}
	sum := 0.0
	for _, x := range v {
		sum += math.Log(x)
	}
	return math.Exp(sum / float64(len(v)))
}
