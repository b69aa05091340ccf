package maps

import (
	"sync/atomic"
	"syscall"

	"github.com/skepdev/skep/abi"
)

// common is what every map type embeds: its description, the rights of the
// user side, and answers for the operations that a type does not have.
type common struct {
	spec Spec
	env  *Env
	// valueBytes is the length of a value on the user side.
	valueBytes int
	specials   []span

	frozen atomic.Bool
	// shared says that Memory was handed out: as in Linux a map that is mapped
	// for writing cannot be frozen.
	shared atomic.Bool
	closed atomic.Bool
}

func newCommon(s *Spec, env *Env) common {
	return common{spec: *s, env: env, valueBytes: ValueBytes(s, env.CPUs), specials: specials(s)}
}

func (c *common) Spec() *Spec  { return &c.spec }
func (c *common) Frozen() bool { return c.frozen.Load() }

func (c *common) Freeze() syscall.Errno {
	switch {
	case c.spec.SpinLock:
		return notSupp
	case !c.writable():
		return syscall.EPERM
	case c.shared.Load():
		return syscall.EBUSY
	case !c.frozen.CompareAndSwap(false, true):
		return syscall.EPERM
	}
	return 0
}

func (c *common) readable() bool { return c.spec.Flags&abi.FlagWronly == 0 }
func (c *common) writable() bool { return c.spec.Flags&abi.FlagRdonly == 0 && !c.frozen.Load() }

// progWritable says whether programs may change the map.
func (c *common) progWritable() bool { return c.spec.Flags&abi.FlagRdonlyProg == 0 }

// lookupOK is what bpf(2) checks of a lookup before it asks the map type.
func (c *common) lookupOK(key, value []byte, flags uint64) syscall.Errno {
	if flags&^abi.FlagLock != 0 {
		return syscall.EINVAL
	}
	if !c.readable() {
		return syscall.EPERM
	}
	if flags&abi.FlagLock != 0 && !c.spec.SpinLock {
		return syscall.EINVAL
	}
	return c.lengthsOK(key, value)
}

func (c *common) lookupDeleteOK(key, value []byte, flags uint64) syscall.Errno {
	if flags&^abi.FlagLock != 0 {
		return syscall.EINVAL
	}
	if !c.readable() || !c.writable() {
		return syscall.EPERM
	}
	if flags&abi.FlagLock != 0 && !c.spec.SpinLock {
		return syscall.EINVAL
	}
	return c.lengthsOK(key, value)
}

func (c *common) updateOK(key, value []byte, flags uint64) syscall.Errno {
	if !c.writable() {
		return syscall.EPERM
	}
	if flags&abi.FlagLock != 0 && !c.spec.SpinLock {
		return syscall.EINVAL
	}
	return c.lengthsOK(key, value)
}

func (c *common) deleteOK(key []byte) syscall.Errno {
	if !c.writable() {
		return syscall.EPERM
	}
	if len(key) != int(c.spec.KeySize) {
		return syscall.EINVAL
	}
	return 0
}

func (c *common) nextKeyOK(key, next []byte) syscall.Errno {
	if !c.readable() {
		return syscall.EPERM
	}
	if key != nil && len(key) != int(c.spec.KeySize) || len(next) != int(c.spec.KeySize) {
		return syscall.EINVAL
	}
	return 0
}

func (c *common) lengthsOK(key, value []byte) syscall.Errno {
	if len(key) != int(c.spec.KeySize) || len(value) != c.valueBytes {
		return syscall.EINVAL
	}
	return 0
}

// batchOK checks a batch and tells how many entries fit the slices.
func (c *common) batchOK(keys, values []byte, flags uint64) (int, syscall.Errno) {
	if flags&^abi.FlagLock != 0 || flags&abi.FlagLock != 0 && !c.spec.SpinLock {
		return 0, syscall.EINVAL
	}
	n := len(keys) / int(c.spec.KeySize)
	if len(keys)%int(c.spec.KeySize) != 0 || len(values) != n*c.valueBytes {
		return 0, syscall.EINVAL
	}
	return n, 0
}

// Defaults: no address, no operation.

func (c *common) Lookup(Pointer, int) uintptr                        { return 0 }
func (c *common) LookupPerCPU(Pointer, int) uintptr                  { return 0 }
func (c *common) Update(_, _ Pointer, _ uint64, _ int) syscall.Errno { return notSupp }
func (c *common) Delete(Pointer) syscall.Errno                       { return notSupp }
func (c *common) Base() (start, end uintptr)                         { return 0, 0 }
func (c *common) Memory() []byte                                     { return nil }
func (c *common) Check(uintptr, int, bool) (bool, string) {
	return false, "maps of type " + c.spec.Type.String() + " hand out no addresses"
}

func (c *common) UserLookup(key, value []byte, flags uint64) syscall.Errno {
	if e := c.lookupOK(key, value, flags); e != 0 {
		return e
	}
	return notSupp
}

func (c *common) UserLookupAndDelete(key, value []byte, flags uint64) syscall.Errno {
	if e := c.lookupDeleteOK(key, value, flags); e != 0 {
		return e
	}
	return notSupp
}

func (c *common) UserUpdate(key, value []byte, flags uint64) syscall.Errno {
	if e := c.updateOK(key, value, flags); e != 0 {
		return e
	}
	return notSupp
}

func (c *common) UserDelete(key []byte) syscall.Errno {
	if e := c.deleteOK(key); e != 0 {
		return e
	}
	return notSupp
}

func (c *common) NextKey(key, next []byte) syscall.Errno {
	if e := c.nextKeyOK(key, next); e != 0 {
		return e
	}
	return notSupp
}

func (c *common) LookupBatch(_ *BatchPos, _, _ []byte, del bool, _ uint64) (int, syscall.Errno) {
	if !c.readable() || del && !c.writable() {
		return 0, syscall.EPERM
	}
	return 0, notSupp
}

func (c *common) UpdateBatch(_, _ []byte, _ uint64) (int, syscall.Errno) {
	if !c.writable() {
		return 0, syscall.EPERM
	}
	return 0, notSupp
}

func (c *common) DeleteBatch([]byte) (int, syscall.Errno) {
	if !c.writable() {
		return 0, syscall.EPERM
	}
	return 0, notSupp
}
