package maps

import "fmt"

// region describes an arena of equal elements with a value in each: what
// Check needs to know.
type region struct {
	base   uintptr
	size   uintptr // of the arena
	plane  uintptr // bytes for one CPU; size if not per CPU
	stride uintptr // from element to element
	offset uintptr // of the value in its element
	value  uintptr // bytes of a value
	count  uintptr // elements
}

// check says whether [addr, addr+n) lies in one value.
func (r *region) check(addr uintptr, n int) (index uintptr, ok bool, why string) {
	off := addr - r.base
	if addr < r.base || off >= r.size || n < 0 {
		return 0, false, "not an address of this map"
	}
	if r.plane != r.size {
		off %= r.plane
	}
	index = off / r.stride
	at := off - index*r.stride - r.offset // wraps before the value
	if end := at + uintptr(n); index < r.count && at <= r.value && end <= r.value {
		return index, true, ""
	}
	return 0, false, r.explain(index, off-index*r.stride, uintptr(n))
}

// explain says why n bytes, at that place in an element, are not a value.
func (r *region) explain(index, at, n uintptr) string {
	switch {
	case index >= r.count:
		return "past the last value of the map"
	case at < r.offset:
		return fmt.Sprintf("%d bytes before a map value", r.offset-at)
	}
	return fmt.Sprintf("%d bytes past the end of a map value of %d bytes", at-r.offset+n-r.value, r.value)
}

// access adds the rights of the program side to a check.
func (c *common) access(write bool) (ok bool, why string) {
	switch {
	case write && !c.progWritable():
		return false, "the map is read-only for programs"
	case !write && c.spec.Flags&flagWronlyProg != 0:
		return false, "the map is write-only for programs"
	}
	return true, ""
}
