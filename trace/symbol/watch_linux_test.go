package symbol

import (
	"encoding/binary"
	"os"
	"testing"
)

// FuzzRing: whatever stands in a ring, reading it ends, and stays inside.
func FuzzRing(f *testing.F) {
	rec := binary.NativeEndian.AppendUint32(nil, 10)
	rec = binary.NativeEndian.AppendUint16(rec, 2)
	rec = binary.NativeEndian.AppendUint16(rec, 88)
	rec = append(rec, make([]byte, 64)...)
	rec = append(rec, "/usr/bin/true\x00\x00\x00"...)
	f.Add(rec, uint64(len(rec)), uint64(0))
	f.Add(rec, uint64(8192+40), uint64(8192-40))
	f.Fuzz(func(t *testing.T, content []byte, head, tail uint64) {
		page := os.Getpagesize()
		r := &eventRing{mem: make([]byte, 3*page)}
		tail &^= 7
		if head < tail || head-tail > uint64(2*page) || head > 1<<40 {
			return
		}
		copy(r.mem[page:], content)
		binary.NativeEndian.PutUint64(r.mem[dataHead:], head)
		r.setTail(tail)
		n := 0
		r.drain(func(typ uint32, misc uint16, body []byte) {
			n++
			if m, ok := parseMmap2(body); ok && m.End <= m.Start {
				t.Fatalf("%+v", m)
			}
		})
		if n > 2*page/8 || r.tail() != head {
			t.Fatalf("%d records, read to %d of %d", n, r.tail(), head)
		}
	})
}
