// Package heap is the memory of objects that programs allocate
// (bpf_obj_new, bpf_percpu_obj_new, cpumasks): outside Go's heap, at addresses
// that stay memory until the machine ends. What is freed may be handed out
// again at once, as by the allocator of Linux: whoever still looks at it sees
// another object of that size.
//
// Links between objects lie in the objects, as in Linux, where programs that
// nobody verified can write: nothing here follows an address that is not that of
// a live object.
package heap
