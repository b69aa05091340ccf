package scalar

// Era is the version of Linux whose numbers are meant, major<<8|minor: 6<<8|1
// for Linux 6.1. Before 6.8 Linux learned so much less that its way is written
// down beside the present one; from 6.8 on all versions reckon as 6.18 does,
// but for what the caller leaves out (see [Delta] and [Fork]).
//
// Of 6.8 and 6.9 that is not quite so: they still know nothing of products and
// disjunctions of two unknown numbers.
type Era uint32

// Newest is the Era of this package's functions that ask for none.
const Newest Era = 6<<8 | 18

const (
	linux6_4 Era = 6<<8 | 4
	linux6_6 Era = 6<<8 | 6
	linux6_8 Era = 6<<8 | 8
)

// Apply is [Range.Apply] as the Era's kernels do it.
func (e Era) Apply(op uint8, is64 bool, dst, src *Range) {
	if e >= linux6_8 {
		dst.Apply(op, is64, src)
		return
	}
	dst.applyOld(op, is64, src)
}

// Outcome is [Outcome] as the Era's kernels do it.
func (e Era) Outcome(op uint8, is32 bool, a, b *Range) int {
	if e >= linux6_8 {
		return Outcome(op, is32, a, b)
	}
	return e.outcomeOld(op, is32, a, b)
}

// Assume is [Assume] as the Era's kernels do it. a and b may be the same
// register.
func (e Era) Assume(op uint8, is32 bool, a, b *Range) {
	if e >= linux6_8 {
		Assume(op, is32, a, b)
		return
	}
	refineOld(op, is32, a, b, true)
}

// Deny is [Deny] as the Era's kernels do it. a and b may be the same register.
func (e Era) Deny(op uint8, is32 bool, a, b *Range) {
	if e >= linux6_8 {
		Deny(op, is32, a, b)
		return
	}
	refineOld(op, is32, a, b, false)
}

// Sync is [Range.Sync] as the Era's kernels do it.
func (e Era) Sync(r *Range) {
	if e >= linux6_8 {
		r.Sync()
		return
	}
	r.syncOld()
}

// Truncate is [Range.Truncate] as the Era's kernels do it.
func (e Era) Truncate(r *Range, bytes int) {
	if e >= linux6_8 {
		r.Truncate(bytes)
		return
	}
	r.truncateOld(bytes)
}

// ZeroExtend32 is [Range.ZeroExtend32] as the Era's kernels do it.
func (e Era) ZeroExtend32(r *Range) {
	r.assign32()
	e.Sync(r)
}
