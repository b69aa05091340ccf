package gen

// kind is what the builder believes a register holds.
type kind uint8

const (
	nothing      kind = iota
	scalar            // a number
	context           // the program's context
	frame             // the stack, off bytes from the frame's end (negative)
	mapPointer        // a map
	valueOrNull       // what a lookup returned
	value             // a map value, off bytes from its start
	packet            // packet data, off bytes from its start
	packetEnd         // the end of packet data
	sampleOrNull      // what a reservation returned
	sample            // a ring buffer sample
	sliceOrNull       // what a request for a dynptr's data returned
	slice             // data of a dynptr
	viewOrNull        // the same, to be read only
	view
	taskOrNull   // what a search for a task returned
	task         // a task of the kernel's
	socketOrNull // what a socket lookup returned
	socket       // a socket
	dynptr       // a stack slot that is half of a dynptr
)

// reg is a register's content.
type reg struct {
	kind kind
	off  int32 // fixed offset of pointers
	// size is how many bytes from its start may be accessed: of a map value or
	// sample, or the part of the packet that was checked. Packets: see id.
	size int32
	// max bounds a number from above (it is then not negative); 0: not known, but
	// for the constant zero.
	max uint64
	// loose: a number of at most max was added to off.
	loose uint64
	// id tells which lookup, check or reservation a pointer belongs to.
	id int
	// m is the map of map pointers and values.
	m int
}

func (r reg) isPointer() bool { return r.kind > scalar }

// accessible are the bytes before which an access must end.
func (r reg) accessible() int32 {
	switch r.kind {
	case value, packet, sample, slice, view:
		return r.size
	}
	return 0
}

const (
	slots    = 12 // 8-byte stack slots that programs use, from the frame's end down
	slotSize = 8
)

// state is what is believed at one point of a function.
type state struct {
	regs  [11]reg
	stack [slots]reg // content of slots; a nothing was never written
	refs  []int      // ids of samples and sockets that must be let go
	ended bool       // nothing that follows can be reached
}

func (s *state) clone() state {
	c := *s
	c.refs = append([]int(nil), s.refs...)
	return c
}

// join is what can be believed where two ways meet.
func (s *state) join(o *state) {
	switch {
	case o.ended:
		return
	case s.ended:
		*s = o.clone()
		return
	}
	for i := range s.regs {
		s.regs[i] = joinReg(s.regs[i], o.regs[i])
	}
	for i := range s.stack {
		s.stack[i] = joinReg(s.stack[i], o.stack[i])
	}
}

func joinReg(a, b reg) reg {
	switch {
	case a == b:
		return a
	case a.kind == scalar && b.kind == scalar:
		if a.max == 0 || b.max == 0 {
			return reg{kind: scalar}
		}
		return reg{kind: scalar, max: max(a.max, b.max)}
	case a.kind == b.kind && a.off == b.off && a.loose == b.loose && a.id == b.id && a.m == b.m:
		a.size = min(a.size, b.size)
		return a
	}
	return reg{}
}

// clobber is what a call does to the registers.
func (s *state) clobber() {
	for i := range 6 {
		s.regs[i] = reg{}
	}
}

// narrow tells all copies of a pointer what a check showed.
func (s *state) narrow(id int, f func(*reg)) {
	for i := range s.regs {
		if s.regs[i].id == id && s.regs[i].isPointer() {
			f(&s.regs[i])
		}
	}
	for i := range s.stack {
		if s.stack[i].id == id && s.stack[i].isPointer() {
			f(&s.stack[i])
		}
	}
}
