package bpf

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestMatchMakesRule(t *testing.T) {
	got, err := DeathMatch{
		Protocol: "udp", Family: 4, Verdict: DeathDrop,
		Source:      netip.MustParsePrefix("10.1.2.3/12"),
		Destination: netip.MustParsePrefix("2001:db8::1/33"),
		SourcePorts: &PortRange{1, 2}, DestinationPorts: &PortRange{53, 53},
		LengthMin: 60, LengthMax: 1500,
		Pattern: []byte{0xab, 0xcd}, Mask: []byte{0xf0, 0xff}, Base: DeathPayload, Offset: 7,
	}.Rule()
	if err != nil {
		t.Fatal(err)
	}
	want := DeathRule{
		LengthMin: 60, LengthMax: 1500,
		SourcePortMin: 1, SourcePortMax: 2, DestinationPortMin: 53, DestinationPortMax: 53,
		Flags:   DeathEnabled | DeathProtocol | DeathSourcePort | DeathDestinationPort,
		Verdict: DeathDrop, Family: 4, Protocol: 17,
		PatternBase: DeathPayload, PatternLength: 2, PatternOffset: 7,
	}
	// 10.0.0.0/12 as ::ffff:a00:0/108.
	copy(want.Source[:], []byte{10: 0xff, 11: 0xff, 12: 10})
	copy(want.SourceMask[:], []byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xf0})
	copy(want.Destination[:], []byte{0x20, 0x01, 0x0d, 0xb8})
	copy(want.DestinationMask[:], []byte{0xff, 0xff, 0xff, 0xff, 0x80})
	copy(want.Pattern[:], []byte{0xa0, 0xcd})
	copy(want.PatternMask[:], []byte{0xf0, 0xff})
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

func TestMatchOfEverythingIsAnEmptyRule(t *testing.T) {
	got, err := DeathMatch{}.Rule()
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(DeathRule{Flags: DeathEnabled}, got); d != "" {
		t.Error(d)
	}
}

func TestBadMatchesAreRefused(t *testing.T) {
	for want, m := range map[string]DeathMatch{
		"family 5":             {Family: 5},
		"no verdict 3":         {Verdict: 3},
		"lengths 9 to 8":       {LengthMin: 9, LengthMax: 8},
		`protocol "gopher"`:    {Protocol: "gopher"},
		`protocol "256"`:       {Protocol: "256"},
		"ports 2 to 1":         {SourcePorts: &PortRange{2, 1}},
		"pattern of 17 bytes":  {Pattern: make([]byte, 17)},
		"pattern of 300 bytes": {Pattern: make([]byte, 300)},
		"mask of 1 bytes":      {Pattern: []byte{1, 2}, Mask: []byte{1}},
		"no pattern base 4":    {Base: 4},
		"invalid prefix":       {Source: netip.PrefixFrom(netip.MustParseAddr("10.0.0.0"), 33)},
	} {
		if _, err := m.Rule(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v, want %q", m, err, want)
		}
	}
}

func TestSumsAddCPUs(t *testing.T) {
	value := make([]byte, 3*32)
	for i := range value {
		if i%8 == 0 {
			value[i] = byte(i/8 + 1)
		}
	}
	got, err := SumDeathCounters(value)
	if err != nil {
		t.Fatal(err)
	}
	if want := (DeathCounters{1 + 5 + 9, 2 + 6 + 10, 3 + 7 + 11, 4 + 8 + 12}); got != want {
		t.Errorf("sum = %+v, want %+v", got, want)
	}
	totals, err := SumDeathTotals(value[:80])
	if err != nil {
		t.Fatal(err)
	}
	if want := (DeathTotals{1 + 6, 2 + 7, 3 + 8, 4 + 9, 5 + 10}); totals != want {
		t.Errorf("sum = %+v, want %+v", totals, want)
	}
	for _, n := range []int{0, 31, 33} {
		if _, err := SumDeathCounters(make([]byte, n)); err == nil {
			t.Errorf("%d bytes were summed", n)
		}
	}
}

func TestRuleBytesHaveTheMapsSize(t *testing.T) {
	if n := len(DeathRule{}.Bytes()); n != 120 {
		t.Errorf("rule of %d bytes", n)
	}
	if d := cmp.Diff([]byte{1, 0, 0, 0, 2, 0, 0, 0}, DeathConfig{Rules: 1, Sample: 2}.Bytes()); d != "" {
		t.Error(d)
	}
}
