package helpers

import (
	"syscall"
	"unsafe"

	"github.com/skepdev/skep/abi"
	"github.com/skepdev/skep/vm/internal/interp"
)

// There is one task here, and one cgroup, its own. Inodes and sockets are the
// kernel's: programs have none to ask for.
var storageTable = table{
	abi.FnTaskStorageGet:     func(t *interp.Thread) uint64 { return storageGet(t, ownTask) },
	abi.FnTaskStorageDelete:  func(t *interp.Thread) uint64 { return storageDelete(t, ownTask) },
	abi.FnCgrpStorageGet:     func(t *interp.Thread) uint64 { return storageGet(t, ownCgroup) },
	abi.FnCgrpStorageDelete:  func(t *interp.Thread) uint64 { return storageDelete(t, ownCgroup) },
	abi.FnInodeStorageGet:    func(t *interp.Thread) uint64 { return storageGet(t, nothing) },
	abi.FnInodeStorageDelete: func(t *interp.Thread) uint64 { return storageDelete(t, nothing) },
	abi.FnSkStorageGet:       func(t *interp.Thread) uint64 { return storageGet(t, nothing) },
	abi.FnSkStorageDelete:    func(t *interp.Thread) uint64 { return storageDelete(t, nothing) },
}

// localTable is for programs at cgroups.
var localTable = table{abi.FnGetLocalStorage: func(t *interp.Thread) uint64 {
	m := t.Map(t.R[1])
	if m == nil {
		return 0
	}
	if m.Local == nil {
		t.Fail("map %s is a %s, not a cgroup storage", m.Name, m.Type)
		return 0
	}
	return t.Value(m, m.Local.Local(t.CPU))
}}

// ownTask is the number of the object behind a pointer that programs hold for a
// task; 0 if it is none.
func ownTask(t *interp.Thread, pointer uint64) uint64 {
	if pointer == t.Env.Task() {
		return processID
	}
	return 0
}

// ownCgroup: whatever pointer of the task's memory is taken for a cgroup, there
// is one only.
func ownCgroup(t *interp.Thread, pointer uint64) uint64 {
	if _, ok := t.Probe(pointer, 8, false); pointer != 0 && ok {
		return CgroupID()
	}
	return 0
}

func nothing(*interp.Thread, uint64) uint64 { return 0 }

func storage(t *interp.Thread) *interp.Map {
	m := t.Map(t.R[1])
	if m == nil {
		return nil
	}
	if m.Storage == nil {
		t.Fail("map %s is a %s, not a local storage", m.Name, m.Type)
		return nil
	}
	return m
}

func storageGet(t *interp.Thread, object func(*interp.Thread, uint64) uint64) uint64 {
	m := storage(t)
	if m == nil {
		return 0
	}
	const create = 1 // BPF_LOCAL_STORAGE_GET_F_CREATE
	id := object(t, t.R[2])
	if id == 0 || t.R[4]&^uint64(create) != 0 {
		return 0
	}
	if at := m.Storage.At(id); at != 0 || t.R[4]&create == 0 {
		return t.Value(m, at)
	}
	var init unsafe.Pointer
	if t.R[3] != 0 {
		b := t.Read(t.R[3], uint64(m.ValueSize))
		if b == nil {
			return 0
		}
		init = pointer(b)
	}
	return t.Value(m, m.Storage.Make(id, init))
}

func storageDelete(t *interp.Thread, object func(*interp.Thread, uint64) uint64) uint64 {
	m := storage(t)
	if m == nil {
		return 0
	}
	id := object(t, t.R[2])
	if id == 0 {
		return fail(syscall.EINVAL)
	}
	return result(m.Storage.Forget(id))
}
