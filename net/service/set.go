package service

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
)

// serviceLabel names the service that an EndpointSlice belongs to.
const serviceLabel = "kubernetes.io/service-name"

// Set holds resources and knows which belong together. The zero value is an
// empty set. It is not safe for concurrent use.
type Set struct {
	resources map[string]Resource
	// slices and policies by the key of the service they belong to.
	slices   map[string]map[string]*Slice
	policies map[string]map[string]*Policy
}

// Target is the key of the service that a resource is about, or "" for a
// slice of none.
func Target(r Resource) string {
	switch r := r.(type) {
	case *Kube:
		return r.Key()
	case *Slice:
		if name := r.Metadata.Labels[serviceLabel]; name != "" {
			return "service/" + cmpOr(r.Metadata.Namespace, "default") + "/" + name
		}
	case *Policy:
		return "service/" + cmpOr(r.Metadata.Namespace, "default") + "/" + cmpOr(r.Spec.Service, r.Metadata.Name)
	}
	return ""
}

// Put adds or replaces a resource and returns the services that it touches:
// one, or two when it moved from one to another.
func (s *Set) Put(r Resource) []string {
	if s.resources == nil {
		s.resources = map[string]Resource{}
		s.slices = map[string]map[string]*Slice{}
		s.policies = map[string]map[string]*Policy{}
	}
	touched := s.Delete(r.Key())
	target := Target(r)
	s.resources[r.Key()] = r
	switch r := r.(type) {
	case *Slice:
		put(s.slices, target, r.Key(), r)
	case *Policy:
		put(s.policies, target, r.Key(), r)
	}
	if target != "" && !slices.Contains(touched, target) {
		touched = append(touched, target)
	}
	return touched
}

func put[T any](index map[string]map[string]T, target, key string, v T) {
	if index[target] == nil {
		index[target] = map[string]T{}
	}
	index[target][key] = v
}

// Delete removes the resource with that key and returns the services it
// touched.
func (s *Set) Delete(key string) []string {
	old, ok := s.resources[key]
	if !ok {
		return nil
	}
	delete(s.resources, key)
	target := Target(old)
	switch old.(type) {
	case *Slice:
		drop(s.slices, target, key)
	case *Policy:
		drop(s.policies, target, key)
	}
	if target == "" {
		return nil
	}
	return []string{target}
}

// drop leaves no empty map behind: services come and go.
func drop[T any](index map[string]map[string]T, target, key string) {
	delete(index[target], key)
	if len(index[target]) == 0 {
		delete(index, target)
	}
}

// Get returns a resource, or nil.
func (s *Set) Get(key string) Resource { return s.resources[key] }

// Keys returns the keys of all resources in order.
func (s *Set) Keys() []string { return slices.Sorted(maps.Keys(s.resources)) }

// Services returns the keys of all services in order.
func (s *Set) Services() []string {
	var keys []string
	for k, r := range s.resources {
		if _, ok := r.(*Kube); ok {
			keys = append(keys, k)
		}
	}
	slices.Sort(keys)
	return keys
}

// Orphans are slices and policies about services that are not there.
func (s *Set) Orphans() []Problem {
	var out []Problem
	for k, r := range s.resources {
		target := Target(r)
		if _, ok := s.resources[target]; ok {
			continue
		}
		reason := "belongs to " + target + ", which is not there"
		if target == "" {
			reason = "has no label " + serviceLabel + ": it belongs to no service"
		}
		out = append(out, Problem{k, reason})
	}
	slices.SortFunc(out, func(a, b Problem) int { return cmp.Compare(a.Resource, b.Resource) })
	return out
}

// Resolve resolves one service into its pools; a service that is not there has
// none.
func (s *Set) Resolve(key string, opts *Options) ([]*Pool, []Problem) {
	kube, ok := s.resources[key].(*Kube)
	if !ok {
		return nil, nil
	}
	r := resolver{kube: kube, opts: opts, name: namespaced(kube.Metadata)}
	for _, k := range slices.Sorted(maps.Keys(s.slices[key])) {
		r.slices = append(r.slices, s.slices[key][k])
	}
	for i, k := range slices.Sorted(maps.Keys(s.policies[key])) {
		if i > 0 {
			r.problem("%s is ignored: there is another policy for this service", k)
			continue
		}
		r.policy = s.policies[key][k].Spec
	}
	r.run()
	return r.pools, r.problems
}

// Problem is something in a set that is valid by itself and cannot be done.
type Problem struct {
	Resource string `json:"resource"`
	Reason   string `json:"reason"`
}

func (p Problem) String() string { return fmt.Sprintf("%s %s", p.Resource, p.Reason) }
