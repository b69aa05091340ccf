package packet

import (
	"strings"
	"testing"

	"github.com/skepdev/skep/abi"
)

func TestStructure(t *testing.T) {
	s := &Structure{
		Layout: abi.ContextOf(abi.ProgCgroupSockAddr, abi.AttachCgroupInet4Connect, "amd64"),
		Mem:    make([]byte, 72),
	}
	s.Mem[4], s.Mem[24] = 0x11, 0x35
	for _, c := range []struct {
		off, size uint64
		want      uint64
		load      bool
		store     bool
	}{
		{0, 4, 0, true, false},
		{4, 4, 0x11, true, true},
		{4, 1, 0x11, true, false},
		{4, 8, 0, false, false},
		{8, 4, 0, false, false},
		{24, 4, 0x35, true, true},
		{24, 2, 0x35, true, false},
		{25, 2, 0, false, false},
		{64, 8, 0, true, false},
		{64, 4, 0, false, false},
		{72, 4, 0, false, false},
		{1 << 63, 8, 0, false, false},
	} {
		if v, ok := s.Load(c.off, c.size); ok != c.load || v != c.want {
			t.Errorf("load of %d bytes at %d: %#x, %v", c.size, c.off, v, ok)
		}
		before := append([]byte(nil), s.Mem...)
		if ok := s.Store(c.off, c.size, 0x11); ok != c.store {
			t.Errorf("store of %d bytes at %d: %v", c.size, c.off, ok)
		}
		copy(s.Mem, before)
	}
	for _, c := range []struct {
		off, size uint64
		write     bool
		want      string
	}{
		{72, 4, false, "past the end"},
		{8, 4, false, "user_ip6 is not readable"},
		{0, 4, true, "user_family is read-only"},
		{4, 8, false, "8 bytes at byte 0 of context field user_ip4"},
	} {
		if got := s.Explain(c.off, c.size, c.write); !strings.Contains(got, c.want) {
			t.Errorf("%q, want %q", got, c.want)
		}
	}
}
