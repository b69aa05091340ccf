package lb_test

import (
	"bufio"
	"bytes"
	"fmt"
	"net"
	"net/netip"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

	"github.com/skepdev/skep/engine"
	"github.com/skepdev/skep/engine/enginetest"
	"github.com/skepdev/skep/net/lb"
	"github.com/skepdev/skep/net/service"
)

// TestStories runs testdata/*.txtar on every engine. An archive has the files
//
//	config    one setting a line: source4, source6, gateway, forward, mtu, node
//	services  resources, as people write them
//	tables    what must then stand in the maps
//	packets   "> PACKET" sends one (as in package enginetest), and the line after
//	          it says what becomes of it: "= VERDICT [PACKET|same]", or
//	          "! REASON" for a drop with that reason counted
//
// Files other than these are applied to the running tables where a line
// "apply NAME" of packets says so.
func TestStories(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatal("no stories", err)
	}
	for _, f := range files {
		t.Run(strings.TrimSuffix(filepath.Base(f), ".txtar"), func(t *testing.T) {
			a, err := txtar.ParseFile(f)
			if err != nil {
				t.Fatal(err)
			}
			onEngines(t, func(t *testing.T, eng engine.Engine) { tell(t, eng, a) })
		})
	}
}

type teller struct {
	*testing.T
	d     *lb.Dataplane
	set   service.Set
	opts  service.Options
	files map[string]string
}

func tell(t *testing.T, eng engine.Engine, a *txtar.Archive) {
	s := &teller{T: t, files: map[string]string{}}
	for _, f := range a.Files {
		s.files[f.Name] = string(f.Data)
	}
	cfg := s.config(s.files["config"])
	s.d = open(t, eng, cfg)
	apply(t, s.d, &s.set, &s.opts, s.files["services"])
	if want, ok := s.files["tables"]; ok {
		if diff := cmp.Diff(strings.TrimSpace(want), strings.TrimSpace(s.tables())); diff != "" {
			t.Errorf("tables (-story +now):\n%s", diff)
		}
	}
	s.packets(s.files["packets"])
}

func (s *teller) config(text string) lb.Config {
	var c lb.Config
	for line := range strings.Lines(text) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		switch name {
		case "":
		case "source4":
			c.Source4 = netip.MustParseAddr(value)
		case "source6":
			c.Source6 = netip.MustParseAddr(value)
		case "gateway":
			c.Gateway, _ = net.ParseMAC(value)
		case "forward":
			c.Forward = service.Forward(value)
		case "mtu":
			n, _ := strconv.Atoi(value)
			c.MTU = uint16(n)
		case "nat":
			fmt.Sscanf(value, "%d-%d", &c.NATPorts[0], &c.NATPorts[1])
		case "node":
			s.opts.Node = value
		case "zone":
			s.opts.Zone = value
		case "nodeaddr":
			s.opts.NodeAddrs = append(s.opts.NodeAddrs, netip.MustParseAddr(value))
		default:
			s.Fatalf("config: %q", name)
		}
	}
	return c
}

func (s *teller) tables() string {
	tables, err := s.d.Tables()
	if err != nil {
		s.Fatal(err)
	}
	var b strings.Builder
	for _, f := range tables.Frontends {
		fmt.Fprintf(&b, "%v/%s %s %s size=%d", f.Addr, f.Protocol, f.Pool, f.Algorithm, f.Size)
		if f.Affinity > 0 {
			fmt.Fprintf(&b, " affinity=%d", f.Affinity)
		}
		if len(f.Flags) > 0 {
			fmt.Fprintf(&b, " %v", f.Flags)
		}
		if len(f.Sources) > 0 {
			fmt.Fprintf(&b, " from %v", f.Sources)
		}
		b.WriteString("\n")
	}
	for _, e := range tables.Backends {
		fmt.Fprintf(&b, "  %s %v %s %s weight=%d entries=%d\n", e.Pool, e.Addr, e.Forward, e.State, e.Weight, e.Entries)
	}
	return b.String()
}

var verdicts = []string{"ABORTED", "DROP", "PASS", "TX", "REDIRECT"}

func (s *teller) packets(text string) {
	prog, err := s.d.Program()
	if err != nil {
		s.Fatal(err)
	}
	var in []byte
	number := 0
	for sc := bufio.NewScanner(strings.NewReader(text)); sc.Scan(); {
		number++
		kind, rest, _ := strings.Cut(strings.TrimSpace(sc.Text()), " ")
		switch kind {
		case "", "#":
		case "apply":
			apply(s.T, s.d, &s.set, &s.opts, s.files[rest])
		case ">":
			if in, err = enginetest.Packet(rest); err != nil {
				s.Fatalf("packets:%d: %v", number, err)
			}
		case "=", "!":
			before := s.reasons()
			res, err := prog.Run(&engine.RunInput{Data: in})
			if err != nil {
				s.Fatalf("packets:%d: %v", number, err)
			}
			s.outcome(number, kind, rest, in, res, before)
		default:
			s.Fatalf("packets:%d: %q", number, kind)
		}
	}
}

func (s *teller) reasons() map[string]uint64 {
	rs, err := s.d.Reasons()
	if err != nil {
		s.Fatal(err)
	}
	out := map[string]uint64{}
	for _, r := range rs {
		out[r.Name] = r.Packets
	}
	return out
}

func (s *teller) outcome(number int, kind, rest string, in []byte, res engine.RunResult, before map[string]uint64) {
	verdict := verdicts[min(int(res.Return), len(verdicts)-1)]
	if kind == "!" {
		after := s.reasons()
		if verdict != "DROP" || after[rest] != before[rest]+1 {
			s.Errorf("packets:%d: %s with %s counted %d → %d, want DROP and one more", number, verdict, rest, before[rest], after[rest])
		}
		return
	}
	want, packet, _ := strings.Cut(rest, " ")
	if verdict != want {
		s.Errorf("packets:%d: %s, want %s (%v)", number, verdict, want, s.reasons())
		return
	}
	out := in
	var err error
	switch packet {
	case "":
		return
	case "same":
	default:
		if out, err = enginetest.Packet(packet); err != nil {
			s.Fatalf("packets:%d: %v", number, err)
		}
	}
	if !bytes.Equal(out, res.Data) {
		s.Errorf("packets:%d: packet differs\nhave %x\nwant %x", number, res.Data, out)
	}
}
