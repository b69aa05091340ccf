package replay_test

import (
	"context"
	"strings"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/google/go-cmp/cmp"

	"github.com/skepdev/skep/engine"
	"github.com/skepdev/skep/replay"
)

// side loads the example with variables set, and fills maps.
func side(t *testing.T, eng engine.Engine, vars map[string]string, fill map[string]any) replay.Side {
	return replay.Side{Engine: eng, Load: func(ctx context.Context) (*engine.Collection, error) {
		spec := open(t, ports)
		for name, v := range vars {
			if err := replay.SetVariable(spec, name, v); err != nil {
				return nil, err
			}
		}
		coll, err := eng.Load(ctx, spec, nil)
		if err != nil {
			return nil, err
		}
		for name, v := range fill {
			if _, err := replay.FillMap(coll, name, v); err != nil {
				return nil, err
			}
		}
		return coll, nil
	}}
}

func openTraffic() (replay.Source, error) { return traffic(), nil }

func TestCompareEqual(t *testing.T) {
	onEngines(t, func(t *testing.T, eng engine.Engine) {
		s := side(t, eng, map[string]string{"blocked_port": "23"}, map[string]any{"blocked": map[string]any{"192.0.2.0/24": 2}})
		for _, program := range []string{"ports_xdp", "ports_tc"} {
			c, err := replay.Compare(t.Context(), s, s, replay.CompareOptions{
				Options: replay.Options{Program: program, Context: true}, Open: openTraffic, Every: 2,
			})
			if err != nil {
				t.Fatal(err)
			}
			if c.Difference != nil {
				t.Errorf("%s: an engine differs from itself: %+v", program, c.Difference)
			}
			if c.Left.Packets != 4 || c.Right.Packets != 4 || len(c.Left.Failures) != 1 {
				t.Errorf("%s: %+v and %+v", program, c.Left, c.Right)
			}
			want := []string{".bss", ".rodata", "blocked", "drops", "services", "totals"}
			if diff := cmp.Diff(want, c.Compared); diff != "" {
				t.Errorf("%s: maps compared (-want +got):\n%s", program, diff)
			}
		}
	})
}

// TestCompareDifferent makes one side different and names what must be found.
func TestCompareDifferent(t *testing.T) {
	rows := []struct {
		name        string
		left, right map[string]string
		fill        [2]map[string]any
		ignore      []string
		want        *replay.Difference
	}{
		{
			name:  "verdict",
			left:  map[string]string{"blocked_port": "23"},
			right: map[string]string{"blocked_port": "24"},
			want:  &replay.Difference{Packet: 2, What: "verdict", Left: "XDP_DROP (1)", Right: "XDP_PASS (2)"},
		},
		{
			name:   "map entry",
			fill:   [2]map[string]any{{"services": map[string]any{`{"protocol":"UDP","port":23}`: map[string]any{"packets": 5}}}, {}},
			ignore: []string{".rodata"},
			want:   &replay.Difference{Packet: 1, What: "map", Where: "services key {protocol=UDP port=23 pad=0}", Left: "{packets=5 bytes=0}", Right: "no entry"},
		},
		{
			name: "field of a map entry",
			fill: [2]map[string]any{{}, {"services": map[string]any{`{"protocol":"UDP","port":53}`: map[string]any{"bytes": 8}}}},
			want: &replay.Difference{Packet: 1, What: "map", Where: "services key {protocol=UDP port=53 pad=0} bytes", Left: "62", Right: "70"},
		},
		{
			name: "sum over CPUs",
			fill: [2]map[string]any{{"totals": []any{map[string]any{"packets": 1}}}, {}},
			want: &replay.Difference{Packet: 1, What: "map", Where: "totals key 0 packets"},
		},
		{
			name: "record",
			left: map[string]string{"blocked_port": "23"}, right: map[string]string{"blocked_port": "23"},
			fill: [2]map[string]any{{"blocked": map[string]any{"192.0.2.0/24": "REASON_PORT"}}, {"blocked": map[string]any{"192.0.2.0/24": "REASON_NETWORK"}}},
			want: &replay.Difference{Packet: 5, What: "records", Where: "drops record 1 byte 8", Left: "01 00 00 00 (12 bytes in all)", Right: "02 00 00 00 (12 bytes in all)"},
		},
		{
			name:   "ignored",
			fill:   [2]map[string]any{{"services": map[string]any{`{}`: map[string]any{"packets": 5}}}, {}},
			ignore: []string{"services"},
		},
	}
	onEngines(t, func(t *testing.T, eng engine.Engine) {
		for _, row := range rows {
			t.Run(row.name, func(t *testing.T) {
				c, err := replay.Compare(t.Context(), side(t, eng, row.left, row.fill[0]), side(t, eng, row.right, row.fill[1]), replay.CompareOptions{
					Options: replay.Options{Program: "ports_xdp"}, Open: openTraffic, IgnoreMaps: row.ignore,
				})
				if err != nil {
					t.Fatal(err)
				}
				got := c.Difference
				if row.name == "sum over CPUs" && got != nil {
					got.Left, got.Right = "", "" // as many as there are CPUs
				}
				if diff := cmp.Diff(row.want, got); diff != "" {
					t.Errorf("(-want +got):\n%s", diff)
				}
			})
		}
	})
}

// lame is an engine whose programs cannot be run on long packets.
type lame struct{ engine.Engine }

type lameProgram struct{ engine.Program }

func (l lame) Load(ctx context.Context, spec *ebpf.CollectionSpec, opts *engine.LoadOptions) (*engine.Collection, error) {
	coll, err := l.Engine.Load(ctx, spec, opts)
	if err == nil {
		for name, p := range coll.Programs {
			coll.Programs[name] = lameProgram{p}
		}
	}
	return coll, err
}

func (p lameProgram) Run(in *engine.RunInput) (engine.RunResult, error) {
	if len(in.Data) > 100 {
		return engine.RunResult{}, &engine.FaultError{Program: "p", Instruction: 7, Assembly: "exit", Reason: "long"}
	}
	return p.Program.Run(in)
}

func TestFaults(t *testing.T) {
	onEngines(t, func(t *testing.T, eng engine.Engine) {
		c, err := replay.Compare(t.Context(), side(t, eng, nil, nil), side(t, lame{eng}, nil, nil), replay.CompareOptions{
			Options: replay.Options{Program: "ports_xdp"}, Open: openTraffic,
		})
		if err != nil {
			t.Fatal(err)
		}
		if d := c.Difference; d == nil || d.What != "error" || d.Packet != 5 || d.Left != "runs" || !strings.Contains(d.Right, "instruction 7") {
			t.Errorf("got %+v, want an error at packet 5", d)
		}
		coll, err := lame{eng}.Load(t.Context(), open(t, ports), nil)
		if err != nil {
			t.Fatal(err)
		}
		defer coll.Close()
		report, err := replay.Run(t.Context(), eng, coll, traffic(), replay.Options{Program: "ports_xdp"})
		if err == nil || !strings.Contains(err.Error(), "packet 5: program p: instruction 7") {
			t.Errorf("a fault gave %v", err)
		}
		if report.Packets != 3 {
			t.Errorf("%d packets before the fault, want 3", report.Packets)
		}
	})
}

func TestCompareErrors(t *testing.T) {
	onEngines(t, func(t *testing.T, eng engine.Engine) {
		good := side(t, eng, nil, nil)
		bad := side(t, eng, map[string]string{"nothing": "1"}, nil)
		if _, err := replay.Compare(t.Context(), good, bad, replay.CompareOptions{Open: openTraffic}); err == nil {
			t.Error("a collection that does not load was compared")
		}
		_, err := replay.Compare(t.Context(), good, good, replay.CompareOptions{
			Options: replay.Options{Program: "ports_tc"}, Open: openTraffic, IgnoreMaps: []string{"service"},
		})
		if err == nil || !strings.Contains(err.Error(), `did you mean "services"?`) {
			t.Errorf("ignoring an unknown map gave %v", err)
		}
	})
}

// TestCompareEngines runs the example on the kernel's and on the embedded
// engine: they must agree on everything.
func TestCompareEngines(t *testing.T) {
	k, e := kernelEngine(t), embeddedEngine(t)
	vars := map[string]string{"blocked_port": "23"}
	fill := map[string]any{"blocked": map[string]any{"192.0.2.0/24": 2}}
	for _, program := range []string{"ports_xdp", "ports_tc"} {
		c, err := replay.Compare(t.Context(), side(t, k, vars, fill), side(t, e, vars, fill), replay.CompareOptions{
			Options: replay.Options{Program: program, Context: true}, Open: openTraffic, Every: 1,
		})
		if err != nil {
			t.Fatal(err)
		}
		if c.Difference != nil {
			t.Errorf("%s: %+v", program, c.Difference)
		}
		if len(c.Compared) != 6 {
			t.Errorf("%s: compared %v, want 6 maps", program, c.Compared)
		}
	}
}

// TestPadding: a perf event's sample may be followed by anything, up to 7 bytes.
func TestPadding(t *testing.T) {
	rows := []struct {
		a, b   string
		padded bool
		same   bool
	}{
		{"sample--", "sample??", true, true},
		{"sample--", "sample??", false, false},
		{"sample-longer-", "simple-longer-", true, false},
		{"a sample of some length", "a sample of some length and more of it", true, false},
		{"sample", "sample", false, true},
	}
	for _, row := range rows {
		if got := replay.SameRecords([]byte(row.a), []byte(row.b), row.padded); got != row.same {
			t.Errorf("%q and %q: %v, want %v", row.a, row.b, got, row.same)
		}
	}
}
