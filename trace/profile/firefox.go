package profile

import (
	"encoding/json"
	"io"
	"strconv"
	"time"
)

// WriteFirefox writes the value with the given index in the processed format
// (version 47) of profiler.firefox.com, which upgrades it to its own. Stacks
// were counted, not timed: samples stand one after the other, each as long as
// its weight.
func (p *Profile) WriteFirefox(w io.Writer, value int) error {
	const version, user, kernel = 47, 0, 1
	threads := []any{}
	for i, g := range p.threads() {
		t := newFirefoxThread()
		at := 0.0
		for _, s := range g.samples {
			v := s.Values[value]
			if v == 0 {
				continue
			}
			stack := -1
			for _, f := range s.Stack {
				category := user
				if f.Kernel {
					category = kernel
				}
				stack = t.stack(stack, f, category)
			}
			if stack < 0 {
				stack = t.stack(stack, Frame{Name: "[unknown]"}, user)
			}
			t.samples = append(t.samples, stack)
			t.weights = append(t.weights, v)
			t.times = append(t.times, at)
			at += p.milliseconds(value, v)
		}
		threads = append(threads, t.object(g, i == 0, p.weightType(value)))
	}
	return json.NewEncoder(w).Encode(map[string]any{
		"meta": map[string]any{
			"version": 24, "preprocessedProfileVersion": version, "interval": max(p.milliseconds(value, 1), float64(p.Period)/1e6),
			"startTime": p.Start.UnixMilli(), "processType": 0, "product": "skep profile: " + p.Kind, "stackwalk": 1, "debug": false,
			"symbolicated": true, "markerSchema": []any{}, "platform": "Linux",
			"categories": []any{
				map[string]any{"name": "User", "color": "yellow", "subcategories": []string{"Other"}},
				map[string]any{"name": "Kernel", "color": "orange", "subcategories": []string{"Other"}},
			},
		},
		"libs": []any{}, "pages": []any{}, "counters": []any{}, "profilerOverhead": []any{}, "threads": threads,
	})
}

// milliseconds is how long a sample with a value is drawn.
func (p *Profile) milliseconds(value int, v int64) float64 {
	if p.Types[value].Unit == "nanoseconds" {
		return float64(v) / float64(time.Millisecond)
	}
	if p.Period > 0 {
		return float64(v) * float64(p.Period) / float64(time.Millisecond)
	}
	return float64(v)
}

func (p *Profile) weightType(value int) string {
	switch p.Types[value].Unit {
	case "nanoseconds":
		return "tracing-ms"
	case "bytes":
		return "bytes"
	}
	return "samples"
}

// firefoxThread collects the tables of a thread.
type firefoxThread struct {
	strings   []string
	byString  map[string]int
	funcs     map[firefoxFunc]int
	funcList  []firefoxFunc
	frames    map[Frame]int
	frameList []firefoxFrame
	stacks    map[[2]int]int
	stackList [][3]int // prefix, frame, category
	samples   []int
	weights   []int64
	times     []float64
}

type firefoxFunc struct{ name, file int }

type firefoxFrame struct{ fn, line, category int }

func newFirefoxThread() *firefoxThread {
	return &firefoxThread{
		samples: []int{}, weights: []int64{}, times: []float64{}, strings: []string{},
		byString: map[string]int{}, funcs: map[firefoxFunc]int{}, frames: map[Frame]int{}, stacks: map[[2]int]int{},
	}
}

func (t *firefoxThread) str(s string) int {
	i, ok := t.byString[s]
	if !ok {
		i = len(t.strings)
		t.byString[s] = i
		t.strings = append(t.strings, s)
	}
	return i
}

// stack is the index of a stack: that with the given one's index, and a frame.
func (t *firefoxThread) stack(prefix int, f Frame, category int) int {
	fi, ok := t.frames[f]
	if !ok {
		file := f.File
		if file == "" {
			file = f.Module
		}
		fn := firefoxFunc{t.str(f.Name), t.str(file)}
		n, known := t.funcs[fn]
		if !known {
			n = len(t.funcList)
			t.funcs[fn] = n
			t.funcList = append(t.funcList, fn)
		}
		fi = len(t.frameList)
		t.frames[f] = fi
		t.frameList = append(t.frameList, firefoxFrame{n, f.Line, category})
	}
	key := [2]int{prefix, fi}
	si, ok := t.stacks[key]
	if !ok {
		si = len(t.stackList)
		t.stacks[key] = si
		t.stackList = append(t.stackList, [3]int{prefix, fi, category})
	}
	return si
}

// column makes a column of a table.
func column(n int, f func(i int) any) []any {
	out := make([]any, n)
	for i := range out {
		out[i] = f(i)
	}
	return out
}

func (t *firefoxThread) object(g *thread, first bool, weightType string) any {
	same := func(v any) func(int) any { return func(int) any { return v } }
	weights := column(len(t.weights), func(i int) any {
		if weightType == "tracing-ms" {
			return float64(t.weights[i]) / float64(time.Millisecond)
		}
		return t.weights[i]
	})
	ns, nf, nn := len(t.stackList), len(t.frameList), len(t.funcList)
	tid := g.tid
	if tid == 0 {
		tid = g.pid
	}
	return map[string]any{
		"processType": "default", "processName": g.name, "processStartupTime": 0, "processShutdownTime": nil, "registerTime": 0,
		"unregisterTime": nil, "pausedRanges": []any{}, "name": g.name, "isMainThread": first || tid == g.pid, "pid": strconv.Itoa(g.pid), "tid": tid,
		"samples":       map[string]any{"weightType": weightType, "weight": weights, "stack": t.samples, "time": t.times, "length": len(t.samples)},
		"markers":       map[string]any{"data": []any{}, "name": []any{}, "startTime": []any{}, "endTime": []any{}, "phase": []any{}, "category": []any{}, "length": 0},
		"resourceTable": map[string]any{"lib": []any{}, "name": []any{}, "host": []any{}, "type": []any{}, "length": 0},
		"nativeSymbols": map[string]any{"libIndex": []any{}, "address": []any{}, "name": []any{}, "functionSize": []any{}, "length": 0},
		"stackTable": map[string]any{
			"frame": column(ns, func(i int) any { return t.stackList[i][1] }), "category": column(ns, func(i int) any { return t.stackList[i][2] }),
			"subcategory": column(ns, same(0)), "length": ns,
			"prefix": column(ns, func(i int) any {
				if t.stackList[i][0] < 0 {
					return nil
				}
				return t.stackList[i][0]
			}),
		},
		"frameTable": map[string]any{
			"address": column(nf, same(-1)), "inlineDepth": column(nf, same(0)), "category": column(nf, func(i int) any { return t.frameList[i].category }),
			"subcategory": column(nf, same(0)), "func": column(nf, func(i int) any { return t.frameList[i].fn }), "nativeSymbol": column(nf, same(nil)),
			"innerWindowID": column(nf, same(0)), "implementation": column(nf, same(nil)), "column": column(nf, same(nil)), "length": nf,
			"line": column(nf, func(i int) any {
				if t.frameList[i].line == 0 {
					return nil
				}
				return t.frameList[i].line
			}),
		},
		"funcTable": map[string]any{
			"isJS": column(nn, same(false)), "relevantForJS": column(nn, same(false)), "name": column(nn, func(i int) any { return t.funcList[i].name }),
			"resource": column(nn, same(-1)), "fileName": column(nn, func(i int) any { return t.funcList[i].file }),
			"lineNumber": column(nn, same(nil)), "columnNumber": column(nn, same(nil)), "length": nn,
		},
		"stringArray": t.strings,
	}
}
