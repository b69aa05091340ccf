package host

import (
	"fmt"
	"sync"
	"sync/atomic"
)

// Budget bounds how many bytes its users hold together. A nil Budget, like one
// with limit 0, counts nothing and has no bound. Safe for concurrent use.
type Budget struct {
	limit int64
	used  atomic.Int64
	// from, if not nil, is the budget that this one's bytes are taken from.
	from *Budget
}

// NewBudget returns a budget of limit bytes; 0 means no bound.
func NewBudget(limit int64) *Budget { return &Budget{limit: max(limit, 0)} }

// NewShare returns a budget without a limit of its own, whose bytes come out of
// one that all shares of this process have in common: half of the memory that it
// may use ([MemorySize]), or no bound where the system does not tell.
func NewShare() *Budget {
	b := common()
	return &Budget{limit: b.limit, from: b}
}

// common is the budget of all shares.
var common = sync.OnceValue(func() *Budget { return NewBudget(MemorySize() / 2) })

// Limit in bytes; 0 means no bound.
func (b *Budget) Limit() int64 {
	if b == nil {
		return 0
	}
	return b.limit
}

// Used is how many bytes are taken now.
func (b *Budget) Used() int64 {
	if b == nil {
		return 0
	}
	return b.used.Load()
}

// Take takes n bytes from the budget. If they are not there it takes none and
// returns a [*BudgetError], which is an [ErrMemory].
func (b *Budget) Take(n int64) error {
	if b == nil {
		return nil
	}
	if n < 0 {
		return &BudgetError{Want: n, Used: b.used.Load(), Limit: b.limit}
	}
	if b.from != nil {
		if err := b.from.Take(n); err != nil {
			return err
		}
		b.used.Add(n)
		return nil
	}
	for {
		used := b.used.Load()
		if b.limit > 0 && n > b.limit-used {
			return &BudgetError{Want: n, Used: used, Limit: b.limit}
		}
		if b.used.CompareAndSwap(used, used+n) {
			return nil
		}
	}
}

// Give gives n bytes back. Giving back more than was taken is a bug of the
// caller and panics.
func (b *Budget) Give(n int64) {
	if b == nil {
		return
	}
	if n < 0 || b.used.Add(-n) < 0 {
		panic(fmt.Sprintf("BUG: budget given back %d bytes that were never taken", n))
	}
	b.from.Give(n)
}

// Map is the function [Map] with the bytes, in whole pages, taken from the
// budget.
func (b *Budget) Map(size int) ([]byte, error) {
	return b.hold(size, func() ([]byte, error) { return Map(size) })
}

// hold takes what size bytes need in pages from the budget and keeps it if
// alloc succeeds.
func (b *Budget) hold(size int, alloc func() ([]byte, error)) ([]byte, error) {
	charge := int64(RoundUpPage(size))
	if size <= 0 || charge < 0 {
		return alloc()
	}
	if err := b.Take(charge); err != nil {
		return nil, err
	}
	mem, err := alloc()
	if err != nil {
		b.Give(charge)
		return nil, err
	}
	return mem, nil
}

// Unmap is the function [Unmap] with the bytes given back to the budget.
func (b *Budget) Unmap(mem []byte) error {
	if cap(mem) == 0 {
		return nil
	}
	if err := Unmap(mem); err != nil {
		return err
	}
	b.Give(int64(cap(mem)))
	return nil
}

// BudgetError says that a budget does not have what was asked for.
type BudgetError struct {
	// Want, Used and Limit in bytes.
	Want, Used, Limit int64
}

func (e *BudgetError) Error() string {
	return fmt.Sprintf("take %d bytes: %d of %d bytes are in use; raise the memory limit or make maps smaller",
		e.Want, e.Used, e.Limit)
}

// Is makes errors.Is(err, ErrMemory) hold.
func (e *BudgetError) Is(target error) bool { return target == ErrMemory }
