package replay_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/skepdev/skep/engine"
	"github.com/skepdev/skep/replay"
)

const ports = "../docs/examples/ports.bpf.o"

// kept collects the packets that come out.
type kept struct{ packets []replay.Packet }

func (k *kept) Write(p *replay.Packet) error {
	c := *p
	c.Data = bytes.Clone(p.Data)
	k.packets = append(k.packets, c)
	return nil
}

// loadPorts loads the example with telnet and one network blocked.
func loadPorts(t *testing.T, eng engine.Engine) *engine.Collection {
	spec := open(t, ports)
	if err := replay.SetVariable(spec, "blocked_port", "23"); err != nil {
		t.Fatal(err)
	}
	coll := load(t, eng, spec)
	blocked := []any{map[string]any{"key": "192.0.2.0/24", "value": "REASON_NETWORK"}}
	if n, err := replay.FillMap(coll, "blocked", blocked); n != 1 || err != nil {
		t.Fatal(n, err)
	}
	return coll
}

func TestRun(t *testing.T) {
	onEngines(t, func(t *testing.T, eng engine.Engine) {
		coll := loadPorts(t, eng)
		for program, verdicts := range map[string][2]string{
			"ports_xdp": {"XDP_DROP", "XDP_PASS"},
			"ports_tc":  {"TC_ACT_SHOT", "TC_ACT_OK"},
		} {
			var out kept
			var seen []string
			got, err := replay.Run(t.Context(), eng, coll, traffic(), replay.Options{
				Program: program,
				Out:     &out,
				Each: func(o *replay.Outcome) {
					seen = append(seen, fmt.Sprintf("%d %s %v", o.Number, o.Verdict.Name, o.Err != nil))
				},
			})
			if err != nil {
				t.Fatal(err)
			}
			want := &replay.Report{
				Engine: eng.Name(), Program: program, ProgramType: map[string]string{"ports_xdp": "xdp", "ports_tc": "sched_cls"}[program],
				Packets: 4, Bytes: 304, OutPackets: 1, OutBytes: 62, Runs: 4, Cut: 1,
				Verdicts: []replay.Count{
					{Verdict: verdicts[0], Packets: 3, Bytes: 242},
					{Verdict: verdicts[1], Packets: 1, Bytes: 62, Passes: true},
				},
				Failures: []replay.Failure{{Reason: "shorter than an Ethernet header (14 bytes)", First: 3, Packets: 1}},
			}
			ignore := cmpopts.IgnoreFields(replay.Count{}, "Return", "Nanosecond", "PerPacket", "runs")
			if diff := cmp.Diff(want, got, ignore, cmpopts.IgnoreFields(replay.Report{}, "Nanosecond", "PerPacket")); diff != "" {
				t.Errorf("%s (-want +got):\n%s", program, diff)
			}
			if got.Nanosecond <= 0 || got.PerPacket <= 0 {
				t.Errorf("%s took no time: %+v", program, got)
			}
			wantSeen := []string{"1 " + verdicts[1] + " false", "2 " + verdicts[0] + " false", "3  true", "4 " + verdicts[0] + " false", "5 " + verdicts[0] + " false"}
			if diff := cmp.Diff(wantSeen, seen); diff != "" {
				t.Errorf("%s (-want +got):\n%s", program, diff)
			}
			var first replay.Packet
			if err := traffic().Next(&first); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff([]replay.Packet{first}, out.packets); diff != "" {
				t.Errorf("%s: packets that came out (-want +got):\n%s", program, diff)
			}
		}
	})
}

func TestDump(t *testing.T) {
	onEngines(t, func(t *testing.T, eng engine.Engine) {
		coll := loadPorts(t, eng)
		if _, err := replay.Run(t.Context(), eng, coll, traffic(), replay.Options{Program: "ports_xdp", Repeat: 3}); err != nil {
			t.Fatal(err)
		}
		rows := map[string]string{
			"blocked": `[{"key":"192.0.2.0/24","value":"REASON_NETWORK"}]`,
			".bss":    `[{"key":0,"value":{"longest":142}}]`,
			".rodata": `blocked_port":23`,
			"drops":   `"note":"a stream of records, not a table"`,
			"totals":  `"total":{"packets":12,"bytes":912}`,
		}
		for name, want := range rows {
			d, err := replay.DumpMap(coll.Maps[name], replay.DumpOptions{})
			if err != nil {
				t.Fatal(err)
			}
			text, err := json.Marshal(d)
			if err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(string(text), want) {
				t.Errorf("%s: %s, want %s in it", name, text, want)
			}
		}
		d, err := replay.DumpMap(coll.Maps["services"], replay.DumpOptions{})
		if err != nil {
			t.Fatal(err)
		}
		got := map[string]string{}
		for _, e := range d.Entries {
			got[e.Key.String()] = e.Value.String()
		}
		want := map[string]string{
			"{protocol=UDP port=53 pad=0}": "{packets=6 bytes=612}",
			"{protocol=UDP port=23 pad=0}": "{packets=6 bytes=300}",
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("services (-want +got):\n%s", diff)
		}
		if d, err = replay.DumpMap(coll.Maps["services"], replay.DumpOptions{Limit: 1}); err != nil || len(d.Entries) != 1 || !d.More {
			t.Errorf("limit 1: %+v, %v", d, err)
		}
	})
}

// TestFill takes every form of entries that FillMap promises, and what DumpMap
// gave.
func TestFill(t *testing.T) {
	onEngines(t, func(t *testing.T, eng engine.Engine) {
		coll := load(t, eng, open(t, ports))
		service := map[string]any{"protocol": "TCP", "port": 80}
		rows := []struct {
			m     string
			given any
			want  string
		}{
			{"services", []any{map[string]any{"key": service, "value": map[string]any{"packets": 1}}}, "{protocol=TCP port=80 pad=0}: {packets=1 bytes=0}"},
			{"services", map[string]any{`{"protocol":"UDP","port":53}`: map[string]any{"bytes": 7}}, "{protocol=UDP port=53 pad=0}: {packets=0 bytes=7}"},
			{"blocked", map[string]any{"10.0.0.0/8": "REASON_PORT"}, "10.0.0.0/8: REASON_PORT"},
			{"blocked", map[string]any{"entries": []any{map[string]any{"key": "10.1.0.0/16", "value": 2}}}, "10.1.0.0/16: REASON_NETWORK"},
			{"totals", []any{map[string]any{"packets": 5}}, "total={packets=10 bytes=0}"},
			{"totals", []any{map[string]any{"key": 0, "values": []any{map[string]any{"packets": 5}, map[string]any{"bytes": 3}}}}, "total={packets=5 bytes=3}"},
		}
		for _, row := range rows {
			if row.m == "totals" && coll.Maps["totals"].Info().ValueBytes != 32 {
				continue // written for two CPUs
			}
			if _, err := replay.FillMap(coll, row.m, row.given); err != nil {
				t.Errorf("%s %v: %v", row.m, row.given, err)
				continue
			}
			d, err := replay.DumpMap(coll.Maps[row.m], replay.DumpOptions{})
			if err != nil {
				t.Fatal(err)
			}
			var text []string
			for _, e := range d.Entries {
				if e.Total != nil {
					text = append(text, "total="+e.Total.String())
				} else {
					text = append(text, e.Key.String()+": "+e.Value.String())
				}
			}
			if !strings.Contains(strings.Join(text, "\n"), row.want) {
				t.Errorf("%s %v: %q, want %q among them", row.m, row.given, text, row.want)
			}
		}
	})
}

func TestFillErrors(t *testing.T) {
	onEngines(t, func(t *testing.T, eng engine.Engine) {
		coll := load(t, eng, open(t, ports))
		rows := []struct {
			m     string
			given any
			want  string
		}{
			{"servces", nil, `no map "servces": did you mean "services"?`},
			{"services", 3, "want a list of entries"},
			{"services", []any{1}, `entry 0: want {"key": …, "value": …}`},
			{"services", []any{map[string]any{"key": map[string]any{"prot": 1}, "value": 1}}, `key: no field "prot"`},
			{"services", []any{map[string]any{"key": map[string]any{}, "value": map[string]any{"packets": -1}}}, "value: packets: -1 does not fit"},
			{"blocked", map[string]any{"10.0.0.0/33": 1}, `"10.0.0.0/33" is no prefix`},
			{"blocked", map[string]any{"fd00::/8": 1}, "fd00::/8 has 128 bits, the key 32"},
			{"drops", []any{1}, "filling maps of type ringbuf: not supported"},
			{"totals", []any{1, 2}, "entry 0: value: want an object"},
			{".rodata", []any{map[string]any{"blocked_port": 1}}, ""},
		}
		for _, row := range rows {
			_, err := replay.FillMap(coll, row.m, row.given)
			if err == nil {
				t.Errorf("%s %v: no error, want %q", row.m, row.given, row.want)
			} else if !strings.Contains(err.Error(), row.want) {
				t.Errorf("%s %v: %q, want %q", row.m, row.given, err, row.want)
			}
		}
	})
}

func TestSetVariableErrors(t *testing.T) {
	for given, want := range map[[2]string]string{
		{"blocked_prt", "1"}:      `no variable "blocked_prt": did you mean "blocked_port"?`,
		{"blocked_port", "70000"}: "70000 does not fit unsigned short (0 … 65535)",
		{"blocked_port", "http"}:  `"http" is no number`,
	} {
		err := replay.SetVariable(open(t, ports), given[0], given[1])
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: %v, want %q", given, err, want)
		}
	}
}

func TestRunErrors(t *testing.T) {
	onEngines(t, func(t *testing.T, eng engine.Engine) {
		coll := load(t, eng, open(t, ports))
		if _, err := replay.Run(t.Context(), eng, coll, traffic(), replay.Options{}); !errors.Is(err, engine.ErrNotExist) {
			t.Errorf("two programs and no name: %v", err)
		}
		if _, err := replay.Run(t.Context(), eng, coll, traffic(), replay.Options{Program: "ports_tc", Repeat: -1}); err == nil {
			t.Error("repeat -1 was taken")
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		report, err := replay.Run(ctx, eng, coll, traffic(), replay.Options{Program: "ports_tc"})
		if !errors.Is(err, context.Canceled) || report == nil || report.Packets != 0 {
			t.Errorf("cancelled: %+v, %v", report, err)
		}
		src := &failing{replay.Packets(replay.Packet{Data: udp("10.0.0.1", "10.0.0.2", 1, 1)})}
		if report, err = replay.Run(t.Context(), eng, coll, src, replay.Options{Program: "ports_tc"}); !errors.Is(err, errBroken) || report.Packets != 1 {
			t.Errorf("broken source: %+v, %v", report, err)
		}
	})
}

var errBroken = errors.New("broken")

// failing gives an error where its source ends.
type failing struct{ replay.Source }

func (f *failing) Next(p *replay.Packet) error {
	if err := f.Source.Next(p); err != nil {
		return errBroken
	}
	return nil
}

func TestReplayable(t *testing.T) {
	for typ, want := range map[ebpf.ProgramType]bool{ebpf.XDP: true, ebpf.Netfilter: true, ebpf.Kprobe: false, ebpf.SkLookup: false} {
		if got := replay.Replayable(typ); got != want {
			t.Errorf("%s: %v, want %v", typ, got, want)
		}
	}
}
