package service

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/skepdev/skep/internal/btfdump"
	"github.com/skepdev/skep/internal/strictyaml"
)

// Resource is one of *[Kube], *[Slice] and *[Policy].
type Resource interface {
	// Key names the resource among all: kind/namespace/name.
	Key() string
}

// Key is service/namespace/name.
func (s *Kube) Key() string { return "service/" + namespaced(s.Metadata) }

// Key is endpointslice/namespace/name.
func (s *Slice) Key() string { return "endpointslice/" + namespaced(s.Metadata) }

// Key is servicepolicy/namespace/name.
func (p *Policy) Key() string { return "servicepolicy/" + namespaced(p.Metadata) }

func namespaced(m Meta) string {
	return cmpOr(m.Namespace, "default") + "/" + m.Name
}

func cmpOr(a, b string) string {
	if a == "" {
		return b
	}
	return a
}

// Read reads the resources of one file. Errors are *strictyaml.Error: they
// point at the line.
func Read(file string, text []byte) ([]Resource, error) {
	docs, err := strictyaml.Parse(file, text)
	if err != nil {
		return nil, err
	}
	var out []Resource
	for _, d := range docs {
		if d.String("apiVersion") == "v1" && strings.HasSuffix(d.String("kind"), "List") {
			for _, item := range d.Items("items") {
				r, err := readOne(item)
				if err != nil {
					return nil, err
				}
				out = append(out, r)
			}
			continue
		}
		r, err := readOne(d)
		if err != nil {
			return nil, err
		}
		out = append(out, r)
	}
	return out, nil
}

// kinds are the resources there are.
var kinds = []struct {
	version, kind string
	read          func(d *strictyaml.Document) (Resource, error)
}{
	{"v1", "Service", readKube},
	{"discovery.k8s.io/v1", "EndpointSlice", readSlice},
	{PolicyVersion, "ServicePolicy", readPolicy},
}

func readOne(d *strictyaml.Document) (Resource, error) {
	version, kind := d.String("apiVersion"), d.String("kind")
	var names []string
	for _, k := range kinds {
		if k.version == version && k.kind == kind {
			return k.read(d)
		}
		if k.kind == kind {
			return nil, d.Fail(fmt.Sprintf("apiVersion %q of %s is not known", version, kind), fmt.Sprintf("there is %q", k.version), "apiVersion")
		}
		names = append(names, k.kind)
	}
	if kind == "" {
		return nil, d.Fail("kind is missing", "there is "+strings.Join(names, ", "))
	}
	hint := "there is " + strings.Join(names, ", ")
	if near := btfdump.Suggest(kind, names); near != "" {
		hint = fmt.Sprintf("did you mean %q?", near)
	}
	return nil, d.Fail(fmt.Sprintf("kind %q is not known", kind), hint, "kind")
}

// checker collects the first mistake of a resource.
type checker struct {
	d   *strictyaml.Document
	err error
}

func (c *checker) that(ok bool, reason string, path ...any) {
	if !ok && c.err == nil {
		c.err = c.d.Fail(reason, "", path...)
	}
}

// word checks a field that takes one of a few words; empty is one of them.
func (c *checker) word(have string, words []string, path ...any) {
	if have == "" || slices.Contains(words, have) || c.err != nil {
		return
	}
	hint := "must be one of " + strings.Join(words, ", ")
	if near := btfdump.Suggest(have, words); near != "" {
		hint = fmt.Sprintf("did you mean %q?", near)
	}
	c.err = c.d.Fail(fmt.Sprintf("%q is not known", have), hint, path...)
}

func (c *checker) meta(m Meta) {
	c.that(m.Name != "", "name is missing", "metadata", "name")
	c.that(validName(m.Name), "must be up to 253 of a-z, 0-9, '-' and '.'", "metadata", "name")
	c.that(m.Namespace == "" || validName(m.Namespace), "must be up to 253 of a-z, 0-9, '-' and '.'", "metadata", "namespace")
}

func validName(s string) bool {
	return len(s) <= 253 && strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789-.") == ""
}

var (
	serviceTypes  = []string{"ClusterIP", "NodePort", "LoadBalancer", "ExternalName"}
	policyWords   = []string{"Cluster", "Local"}
	distributions = []string{"PreferClose", "PreferSameZone", "PreferSameNode"}
)

func readKube(d *strictyaml.Document) (Resource, error) {
	s := &Kube{}
	if err := d.Decode(s); err != nil {
		return nil, err
	}
	c := &checker{d: d}
	c.meta(s.Metadata)
	sp := &s.Spec
	c.word(sp.Type, serviceTypes, "spec", "type")
	c.word(sp.SessionAffinity, []string{"None", "ClientIP"}, "spec", "sessionAffinity")
	c.word(sp.ExternalTrafficPolicy, policyWords, "spec", "externalTrafficPolicy")
	c.word(sp.InternalTrafficPolicy, policyWords, "spec", "internalTrafficPolicy")
	c.word(sp.TrafficDistribution, distributions, "spec", "trafficDistribution")
	c.that(sp.Type != "ExternalName" || sp.ExternalName != "", "an ExternalName service needs externalName", "spec", "type")
	for i, ip := range sp.ClusterIPs {
		c.that(ip == "None" || isAddr(ip), fmt.Sprintf("%q is no address", ip), "spec", "clusterIPs", i)
	}
	c.that(sp.ClusterIP == "" || sp.ClusterIP == "None" || isAddr(sp.ClusterIP), fmt.Sprintf("%q is no address", sp.ClusterIP), "spec", "clusterIP")
	c.that(sp.ClusterIP == "" || len(sp.ClusterIPs) == 0 || sp.ClusterIP == sp.ClusterIPs[0], "is not the first of clusterIPs", "spec", "clusterIP")
	if a := sp.SessionAffinityConfig; a != nil && a.ClientIP != nil && a.ClientIP.TimeoutSeconds != nil {
		t := *a.ClientIP.TimeoutSeconds
		c.that(t >= 1 && t <= 86400, "must be 1 to 86400 seconds", "spec", "sessionAffinityConfig", "clientIP", "timeoutSeconds")
	}
	c.ports(sp)
	return s, c.err
}

func (c *checker) ports(sp *KubeSpec) {
	names, numbers := map[string]bool{}, map[string]bool{}
	for i := range sp.Ports {
		p := &sp.Ports[i]
		if p.Protocol == 0 {
			p.Protocol = TCP
		}
		c.that(p.Port != 0, "must be 1 to 65535", "spec", "ports", i, "port")
		c.that(len(sp.Ports) == 1 || p.Name != "", "a service with several ports needs a name for each", "spec", "ports", i)
		c.that(!names[p.Name], fmt.Sprintf("name %q is used twice", p.Name), "spec", "ports", i, "name")
		number := fmt.Sprint(p.Port, p.Protocol)
		c.that(!numbers[number], fmt.Sprintf("port %d/%s is there twice", p.Port, p.Protocol), "spec", "ports", i, "port")
		names[p.Name], numbers[number] = true, true
		if p.NodePort != 0 {
			c.that(sp.Type == "NodePort" || sp.Type == "LoadBalancer", "a node port needs type NodePort or LoadBalancer", "spec", "ports", i, "nodePort")
		}
	}
}

func isAddr(s string) bool {
	a, err := netip.ParseAddr(s)
	return err == nil && a.Zone() == ""
}

func readSlice(d *strictyaml.Document) (Resource, error) {
	s := &Slice{}
	if err := d.Decode(s); err != nil {
		return nil, err
	}
	c := &checker{d: d}
	c.meta(s.Metadata)
	c.that(s.AddressType != "", "addressType is missing: IPv4, IPv6 or FQDN")
	c.word(s.AddressType, []string{"IPv4", "IPv6", "FQDN"}, "addressType")
	for i, e := range s.Endpoints {
		c.that(len(e.Addresses) > 0, "an endpoint needs an address", "endpoints", i)
		for j, a := range e.Addresses {
			addr, err := netip.ParseAddr(a)
			ok := s.AddressType == "FQDN" || err == nil && addr.Zone() == "" && addr.Is4() == (s.AddressType == "IPv4")
			c.that(ok, fmt.Sprintf("%q is no %s address", a, s.AddressType), "endpoints", i, "addresses", j)
		}
	}
	for i := range s.Ports {
		if s.Ports[i].Protocol == 0 {
			s.Ports[i].Protocol = TCP
		}
	}
	return s, c.err
}

func readPolicy(d *strictyaml.Document) (Resource, error) {
	p := &Policy{}
	if err := d.Decode(p); err != nil {
		return nil, err
	}
	c := &checker{d: d}
	c.meta(p.Metadata)
	for a, w := range p.Spec.Weights {
		c.that(w <= 100, "a weight is 0 to 100", "spec", "weights", a.String())
	}
	if h := p.Spec.Health; h != nil {
		c.health(h)
	}
	if e := p.Spec.Ejection; e != nil {
		c.ejection(e)
	}
	c.word(p.Spec.ProxyProtocol, []string{"v1", "v2"}, "spec", "proxyProtocol")
	c.that(p.Spec.MaxTable == 0 || p.Spec.MaxTable >= 7, "must be at least 7", "spec", "maxTable")
	return p, c.err
}

func (c *checker) ejection(e *Ejection) {
	c.that(e.MaxPercent <= 100, "must be 1 to 100", "spec", "ejection", "maxPercent")
	if e.Failures == 0 {
		e.Failures = 5
	}
	if e.Time == 0 {
		e.Time = Duration(30e9)
	}
	if e.MaxPercent == 0 {
		e.MaxPercent = 50
	}
}

func (c *checker) health(h *Health) {
	c.that(h.Type != "", "type is missing: tcp, http, grpc or command", "spec", "health")
	c.that(h.Type == HealthCommand || len(h.Command) == 0, "is for type command", "spec", "health", "command")
	c.that(h.Type != HealthCommand || len(h.Command) > 0, "type command needs a command", "spec", "health")
	c.that(h.Type == HealthHTTP || h.Path == "" && h.Host == "" && len(h.Expect) == 0, "path, host and expect are for type http", "spec", "health")
	c.that(h.Type == HealthGRPC || h.Service == "", "is for type grpc", "spec", "health", "service")
	c.that(h.Path == "" || h.Path[0] == '/' && !strings.ContainsAny(h.Path, " \r\n"), "must begin with / and hold no blanks", "spec", "health", "path")
	c.that(!strings.ContainsAny(h.Host, " \r\n/"), "is no host name", "spec", "health", "host")
	if h.Interval == 0 {
		h.Interval = Duration(2e9)
	}
	if h.Timeout == 0 {
		h.Timeout = Duration(1e9)
	}
	if h.Healthy == 0 {
		h.Healthy = 2
	}
	if h.Unhealthy == 0 {
		h.Unhealthy = 3
	}
	c.that(h.Interval >= Duration(50e6), "must be at least 50ms", "spec", "health", "interval")
}
