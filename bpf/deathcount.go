package bpf

import (
	"encoding/binary"
	"fmt"
)

// SumDeathCounters adds up one rule's counters over all CPUs, from a value of
// DeathCountersMap as engine maps give it.
func SumDeathCounters(value []byte) (DeathCounters, error) {
	var s [4]uint64
	if err := sumWords(s[:], value); err != nil {
		return DeathCounters{}, fmt.Errorf("sum counters: %w", err)
	}
	return DeathCounters{s[0], s[1], s[2], s[3]}, nil
}

// SumDeathTotals adds up the totals of all CPUs, from the value of
// DeathTotalsMap.
func SumDeathTotals(value []byte) (DeathTotals, error) {
	var s [5]uint64
	if err := sumWords(s[:], value); err != nil {
		return DeathTotals{}, fmt.Errorf("sum totals: %w", err)
	}
	return DeathTotals{s[0], s[1], s[2], s[3], s[4]}, nil
}

func sumWords(sum []uint64, value []byte) error {
	size := len(sum) * 8
	if len(value) == 0 || len(value)%size != 0 {
		return fmt.Errorf("%d bytes: want a multiple of %d", len(value), size)
	}
	for ; len(value) > 0; value = value[size:] {
		for i := range sum {
			sum[i] += binary.NativeEndian.Uint64(value[i*8:])
		}
	}
	return nil
}

// Bytes is the rule in the layout of the map.
func (r DeathRule) Bytes() []byte { return encode(r) }

// Bytes is the configuration in the layout of the map.
func (c DeathConfig) Bytes() []byte { return encode(c) }

func encode(v any) []byte {
	b, err := binary.Append(nil, binary.NativeEndian, v)
	if err != nil {
		panic("BUG: layout of variable size: " + err.Error())
	}
	return b
}
