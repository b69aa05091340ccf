package maps

import (
	"syscall"

	"github.com/skepdev/skep/abi"
)

// The hash map types differ in what a lookup returns; everything else is in
// table.
type (
	hashMap       struct{ *table }
	lruHash       struct{ *table }
	perCPUHash    struct{ *table }
	lruPerCPUHash struct{ *table }
)

var (
	_ Map = hashMap{}
	_ Map = lruHash{}
	_ Map = perCPUHash{}
	_ Map = lruPerCPUHash{}
)

func newHash(s *Spec, env *Env) (Map, error) {
	t, err := newTable(s, env)
	if err != nil {
		return nil, err
	}
	switch s.Type {
	case abi.MapLRUHash:
		return lruHash{t}, nil
	case abi.MapPerCPUHash:
		return perCPUHash{t}, nil
	case abi.MapLRUPerCPUHash:
		return lruPerCPUHash{t}, nil
	}
	return hashMap{t}, nil
}

func (m hashMap) Lookup(key Pointer, _ int) uintptr {
	i := m.find(key, m.hash.sum(key))
	if i == noElem {
		return 0
	}
	return addressOf(add(m.elems.at(i), m.valAt))
}

func (m lruHash) Lookup(key Pointer, _ int) uintptr {
	i := m.find(key, m.hash.sum(key))
	if i == noElem {
		return 0
	}
	touch(&m.elems, i)
	return addressOf(add(m.elems.at(i), m.valAt))
}

func (m perCPUHash) Lookup(key Pointer, cpu int) uintptr {
	i := m.find(key, m.hash.sum(key))
	if i == noElem {
		return 0
	}
	return addressOf(m.value(i, cpu))
}

func (m perCPUHash) LookupPerCPU(key Pointer, cpu int) uintptr {
	if uint(cpu) >= uint(m.env.CPUs) {
		return 0
	}
	return m.Lookup(key, cpu)
}

func (m lruPerCPUHash) Lookup(key Pointer, cpu int) uintptr {
	i := m.find(key, m.hash.sum(key))
	if i == noElem {
		return 0
	}
	touch(&m.elems, i)
	return addressOf(m.value(i, cpu))
}

func (m lruPerCPUHash) LookupPerCPU(key Pointer, cpu int) uintptr {
	if uint(cpu) >= uint(m.env.CPUs) {
		return 0
	}
	return m.Lookup(key, cpu)
}

// Update is the program side of put.
func (t *table) Update(key, value Pointer, flags uint64, cpu int) syscall.Errno {
	if !t.progWritable() {
		return syscall.EPERM
	}
	return t.put(key, value, flags, cpu, false)
}
