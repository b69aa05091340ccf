package lab

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// lines renders a routing table.
func lines(routes []route) []string {
	var out []string
	for _, r := range routes {
		s := r.dst.String()
		if r.via.IsValid() {
			s += " via " + r.via.String()
		}
		out = append(out, s+" dev "+r.dev)
	}
	slices.Sort(out)
	return out
}

// Two nodes, an endpoint on one, another on a switch behind the other.
func TestRoutes(t *testing.T) {
	l, err := New(Config{World: Embedded})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	a, err := l.Node("a")
	must(err)
	b, err := l.Node("b")
	must(err)
	sw, err := l.Switch("sw")
	must(err)
	_, err = l.Connect(a, b, LinkConfig{})
	must(err)
	_, err = l.Connect(b, sw, LinkConfig{})
	must(err)
	x, err := l.Endpoint("x", EndpointConfig{On: a})
	must(err)
	y, err := l.Endpoint("y", EndpointConfig{On: sw, Addrs: []netip.Prefix{
		netip.MustParsePrefix("fd00:3::7/64"), netip.MustParsePrefix("192.0.2.7/24"),
	}})
	must(err)

	in := domains(l.hosts)
	for _, c := range []struct {
		host *Host
		want []string
	}{
		{a.Host, []string{
			"10.1.0.2/32 dev x", "10.2.0.0/16 via 10.2.0.1 dev b", "10.2.0.1/32 dev b",
			"10.3.0.0/16 via 10.2.0.1 dev b", "192.0.2.7/32 via 10.2.0.1 dev b",
			"fd00:1::2/128 dev x", "fd00:2::/64 via fe80::5e:ff:fe00:102 dev b", "fd00:2::1/128 dev b",
			"fd00:3::/64 via fe80::5e:ff:fe00:102 dev b",
		}},
		{b.Host, []string{
			"10.1.0.0/16 via 10.1.0.1 dev a", "10.1.0.1/32 dev a", "10.3.0.0/16 dev sw", "192.0.2.7/32 dev sw",
			"fd00:1::/64 via fe80::5e:ff:fe00:101 dev a", "fd00:1::1/128 dev a", "fd00:3::/64 dev sw",
		}},
		{x.Host, []string{
			"0.0.0.0/0 via 10.1.0.1 dev eth0", "10.1.0.1/32 dev eth0",
			"::/0 via fe80::5e:ff:fe00:302 dev eth0", "fd00:1::1/128 dev eth0",
		}},
		{y.Host, []string{
			"0.0.0.0/0 via 10.3.0.1 dev eth0", "10.3.0.0/16 dev eth0", "192.0.2.0/24 dev eth0",
			"::/0 via fe80::5e:ff:fe00:201 dev eth0", "fd00:3::/64 dev eth0",
		}},
	} {
		got := lines(routesOf(c.host, in))
		slices.Sort(c.want)
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("routes of %s (-want +got):\n%s", c.host.name, diff)
		}
	}
}

func TestPlan(t *testing.T) {
	n, err := planned(10)
	if err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(n.prefixes()); got != "[10.10.0.0/16 fd00:a::/64]" {
		t.Error(got)
	}
	seen := map[netip.Prefix]bool{}
	count := 0
	for _, router := range []bool{false, true, true} {
		p, err := n.take(router)
		if err != nil {
			t.Fatal(err)
		}
		seen[p[0]] = true
	}
	if !seen[netip.MustParsePrefix("10.10.0.1/16")] || !seen[netip.MustParsePrefix("10.10.0.2/16")] || !seen[netip.MustParsePrefix("10.10.0.3/16")] {
		t.Errorf("first hosts: %v", seen)
	}
	for {
		p, err := n.take(false)
		if err != nil {
			break
		}
		if seen[p[0]] || !n.v4.Contains(p[0].Addr()) || !n.v6.Contains(p[1].Addr()) {
			t.Fatalf("host %d: %v", count, p)
		}
		seen[p[0]] = true
		count++
	}
	if count != 65535-4 {
		t.Errorf("%d more hosts", count)
	}
	for _, n := range []int{0, 256} {
		if _, err := planned(n); err == nil {
			t.Errorf("network %d: no error", n)
		}
	}
}
