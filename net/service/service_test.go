package service

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

	"github.com/skepdev/skep/internal/strictyaml"
)

// TestResolve runs testdata/*.txtar: resources in, pools out. The comment of an
// archive may set "node NAME", "zone NAME", "nodeaddr ADDRESS", "down ADDRESS".
func TestResolve(t *testing.T) {
	files, _ := filepath.Glob("testdata/*.txtar")
	if len(files) == 0 {
		t.Fatal("no cases")
	}
	for _, f := range files {
		t.Run(strings.TrimSuffix(filepath.Base(f), ".txtar"), func(t *testing.T) {
			a, err := txtar.ParseFile(f)
			if err != nil {
				t.Fatal(err)
			}
			opts := options(t, string(a.Comment))
			var in, want string
			for _, f := range a.Files {
				switch f.Name {
				case "in":
					in = string(f.Data)
				case "out":
					want = string(f.Data)
				}
			}
			if got := resolveText(t, in, opts); strings.TrimSpace(got) != strings.TrimSpace(want) {
				t.Errorf("(-want +got)\n%s", cmp.Diff(strings.TrimSpace(want), strings.TrimSpace(got)))
			}
		})
	}
}

func options(t *testing.T, comment string) *Options {
	opts := &Options{}
	down := map[netip.Addr]bool{}
	for line := range strings.Lines(comment) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		switch name {
		case "node":
			opts.Node = value
		case "zone":
			opts.Zone = value
		case "nodeaddr":
			opts.NodeAddrs = append(opts.NodeAddrs, netip.MustParseAddr(value))
		case "down":
			down[netip.MustParseAddr(value)] = true
		}
	}
	opts.State = func(_ string, b netip.AddrPort) (State, int) {
		if down[b.Addr()] {
			return Unhealthy, 100
		}
		return Active, 100
	}
	return opts
}

func resolveText(t *testing.T, in string, opts *Options) string {
	t.Helper()
	rs, err := Read("in", []byte(in))
	if err != nil {
		return "error: " + err.Error()
	}
	var set Set
	for _, r := range rs {
		set.Put(r)
	}
	var b strings.Builder
	for _, key := range set.Services() {
		pools, problems := set.Resolve(key, opts)
		for _, p := range pools {
			fmt.Fprintf(&b, "%s %s", p.Name(), p.Algorithm)
			if p.Forward != "" {
				fmt.Fprintf(&b, " %s", p.Forward)
			}
			if p.Affinity > 0 {
				fmt.Fprintf(&b, " affinity=%v", p.Affinity)
			}
			if len(p.Sources) > 0 {
				fmt.Fprintf(&b, " from=%v", p.Sources)
			}
			b.WriteString("\n")
			for _, f := range p.Frontends {
				fmt.Fprintf(&b, "  at %v %s\n", f.Addr, f.Kind)
			}
			for _, e := range p.Backends {
				fmt.Fprintf(&b, "  to %v %v*%d\n", e.Addr, e.State, e.Weight)
			}
		}
		for _, p := range problems {
			fmt.Fprintf(&b, "problem: %v\n", p)
		}
	}
	for _, p := range set.Orphans() {
		fmt.Fprintf(&b, "problem: %v\n", p)
	}
	return b.String()
}

func TestMistakesPointAtTheLine(t *testing.T) {
	const head = "apiVersion: v1\nkind: Service\nmetadata: {name: web}\n"
	for _, c := range []struct{ text, want string }{
		{head + "spec:\n  prots: []\n", `f:5:3: spec.prots: unknown field (did you mean "ports"?)`},
		{head + "spec:\n  type: NodePorts\n", `f:5:9: spec.type: "NodePorts" is not known (did you mean "NodePort"?)`},
		{head + "spec:\n  ports:\n  - port: 80\n  - port: 81\n", "f:6:5: spec.ports[0]: a service with several ports needs a name for each"},
		{head + "spec:\n  ports:\n  - port: 0\n", "f:6:11: spec.ports[0].port: must be 1 to 65535"},
		{head + "spec:\n  ports:\n  - {port: 80, nodePort: 30000}\n", "f:6:26: spec.ports[0].nodePort: a node port needs type NodePort or LoadBalancer"},
		{head + "spec:\n  clusterIP: 10.0.0.x\n", `f:5:14: spec.clusterIP: "10.0.0.x" is no address`},
		{head + "spec:\n  ports:\n  - {port: 80, protocol: QUIC}\n", `f:6:26: spec.ports[0].protocol: protocol "QUIC": must be TCP, UDP or SCTP`},
		{"kind: Servic\n", `f:1:7: kind: kind "Servic" is not known (did you mean "Service"?)`},
		{"apiVersion: v2\nkind: Service\n", `f:1:13: apiVersion: apiVersion "v2" of Service is not known (there is "v1")`},
		{"apiVersion: skep.dev/v1alpha1\nkind: ServicePolicy\nmetadata: {name: w}\nspec:\n  algorithm: magleff\n", `f:5:14: spec.algorithm: "magleff": must be one of ["maglev" "least-connections" "random"]`},
		{"apiVersion: skep.dev/v1alpha1\nkind: ServicePolicy\nmetadata: {name: w}\nspec:\n  health: {type: tcp, path: /x}\n", "f:5:11: spec.health: path, host and expect are for type http"},
		{"apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\nmetadata: {name: w}\naddressType: IPv4\nendpoints:\n- addresses: [\"fd00::1\"]\n", `f:6:15: endpoints[0].addresses[0]: "fd00::1" is no IPv4 address`},
	} {
		_, err := Read("f", []byte(c.text))
		var e *strictyaml.Error
		if !errors.As(err, &e) || err.Error() != c.want {
			t.Errorf("%q\n have %v\n want %s", c.text, err, c.want)
		}
	}
}

func TestSetMovesAndForgets(t *testing.T) {
	var s Set
	slice := func(of string) *Slice {
		return &Slice{Metadata: Meta{Name: "x", Labels: map[string]string{serviceLabel: of}}}
	}
	if got := s.Put(slice("a")); len(got) != 1 || got[0] != "service/default/a" {
		t.Errorf("put: %v", got)
	}
	if got := s.Put(slice("b")); len(got) != 2 {
		t.Errorf("moved: %v", got)
	}
	if got := s.Delete("endpointslice/default/x"); len(got) != 1 || got[0] != "service/default/b" {
		t.Errorf("deleted: %v", got)
	}
	if len(s.slices) != 0 || len(s.resources) != 0 {
		t.Errorf("left: %v", s)
	}
}

func FuzzRead(f *testing.F) {
	files, _ := filepath.Glob("testdata/*.txtar")
	for _, name := range files {
		if text, err := os.ReadFile(name); err == nil {
			for _, part := range txtar.Parse(text).Files {
				f.Add(string(part.Data))
			}
		}
	}
	f.Fuzz(func(t *testing.T, text string) {
		rs, err := Read("f", []byte(text))
		if err != nil {
			return
		}
		var s Set
		for _, r := range rs {
			s.Put(r)
		}
		for _, k := range s.Services() {
			pools, _ := s.Resolve(k, &Options{NodeAddrs: []netip.Addr{netip.MustParseAddr("10.0.0.1")}})
			for _, p := range pools {
				for _, b := range p.Backends {
					if !b.Addr.IsValid() || b.Addr.Addr().Is4() != p.Backends[0].Addr.Addr().Is4() {
						t.Errorf("%s: backend %v", p.Name(), b.Addr)
					}
				}
			}
		}
		s.Orphans()
	})
}
