// Package service is the description of services: what people write, read
// strictly, and resolved into the table that a dataplane enforces.
//
//	set, err := service.ReadFiles(paths...)
//	table, problems := service.Resolve(set, service.Options{Node: "a", Zone: "z1"})
//
// It understands Kubernetes' v1 Service and discovery.k8s.io/v1 EndpointSlice
// unchanged (also inside a v1 List), and a kind of our own for what those
// cannot say: [Policy], apiVersion skep.dev/v1alpha1, kind ServicePolicy.
//
// # For maintainers
//
// kube.go and policy.go are the types, with the fields of Kubernetes 1.34 and
// their names; read.go reads and checks one resource, set.go holds many, resolve.go
// makes the table. A [Table] is a plain value in a fixed order: two equal sets
// give equal tables, so tables can be compared and printed as a plan.
package service
