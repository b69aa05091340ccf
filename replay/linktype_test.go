package replay_test

import (
	"bytes"
	"errors"
	"testing"

	"github.com/skepdev/skep/engine"
	"github.com/skepdev/skep/replay"
)

func TestToEthernet(t *testing.T) {
	v4, v6 := []byte{0x45, 1, 2, 3}, []byte{0x60, 1, 2, 3}
	none := []byte{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}
	from := append([]byte{0, 0, 0, 0, 0, 0}, 2, 0, 0, 0, 0, 9)
	join := func(parts ...[]byte) []byte { return bytes.Join(parts, nil) }
	rows := []struct {
		name     string
		link     int
		in, want []byte
	}{
		{"ethernet", 1, []byte{1, 2}, []byte{1, 2}},
		{"raw 4", 101, v4, join(none, []byte{8, 0}, v4)},
		{"raw 6", 101, v6, join(none, []byte{0x86, 0xdd}, v6)},
		{"ipv6", 229, v6, join(none, []byte{0x86, 0xdd}, v6)},
		{"null", 0, join([]byte{2, 0, 0, 0}, v4), join(none, []byte{8, 0}, v4)},
		{"cooked", 113, join([]byte{0, 0, 0, 1, 0, 6, 2, 0, 0, 0, 0, 9, 0, 0, 8, 6}, v4), join(from, []byte{8, 6}, v4)},
		{"cooked without address", 113, join([]byte{0, 0, 0, 1, 0, 0, 2, 0, 0, 0, 0, 9, 0, 0, 8, 0}, v4), join(none, []byte{8, 0}, v4)},
		{"cooked 2", 276, join([]byte{8, 0, 0, 0, 0, 0, 0, 3, 0, 1, 0, 6, 2, 0, 0, 0, 0, 9, 0, 0}, v4), join(from, []byte{8, 0}, v4)},
		{"short cooked", 113, []byte{1, 2, 3}, nil},
		{"short cooked 2", 276, make([]byte, 19), nil},
		{"short null", 0, []byte{2, 0, 0, 0}, nil},
		{"empty raw", 101, nil, nil},
	}
	for _, row := range rows {
		got, err := replay.ToEthernet(row.link, nil, row.in)
		if err != nil || !bytes.Equal(got, row.want) {
			t.Errorf("%s: % x, %v, want % x", row.name, got, err, row.want)
		}
	}
	if _, err := replay.ToEthernet(127, nil, v4); !errors.Is(err, engine.ErrNotSupported) {
		t.Errorf("radio captures gave %v", err)
	}
}

func FuzzToEthernet(f *testing.F) {
	f.Add(113, []byte("\x00\x00\x00\x01\x00\x06\x02\x00\x00\x00\x00\x09\x00\x00\x08\x00E"))
	f.Add(276, make([]byte, 20))
	f.Fuzz(func(t *testing.T, link int, data []byte) {
		out, err := replay.ToEthernet(link, nil, data)
		if err == nil && len(out) > len(data)+14 {
			t.Errorf("%d bytes of %d", len(out), len(data))
		}
	})
}
