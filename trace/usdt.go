package trace

import (
	"bytes"
	"debug/elf"
	"fmt"
	"io"
	"sort"

	"github.com/skepdev/skep/lang"
)

// usdtProbe is a probe of a binary's notes, <sys/sdt.h>'s.
type usdtProbe struct{ provider, name, args string }

const maxNotes = 64 << 20

// usdtProbes reads a binary's notes of type stapsdt.
func usdtProbes(path string) (out []usdtProbe, err error) {
	err = openELF(path, func(e *elf.File) error {
		s := e.Section(".note.stapsdt")
		if s == nil {
			return nil
		}
		data, err := io.ReadAll(io.LimitReader(s.Open(), maxNotes))
		if err != nil {
			return err
		}
		size := 4
		if e.Class == elf.ELFCLASS64 {
			size = 8
		}
		out = parseNotes(data, e, size)
		return nil
	})
	return out, err
}

func parseNotes(data []byte, e *elf.File, size int) (out []usdtProbe) {
	for len(data) >= 12 {
		nameLen, descLen := uint64(e.ByteOrder.Uint32(data)), uint64(e.ByteOrder.Uint32(data[4:]))
		body := data[12:]
		start := (nameLen + 3) &^ 3
		end := start + (descLen+3)&^3
		if start+descLen > uint64(len(body)) {
			break
		}
		if desc := body[start : start+descLen]; len(desc) > 3*size && bytes.HasPrefix(body, []byte("stapsdt\x00")) {
			parts := bytes.SplitN(desc[3*size:], []byte{0}, 4)
			if len(parts) >= 3 {
				out = append(out, usdtProbe{string(parts[0]), string(parts[1]), string(parts[2])})
			}
		}
		data = body[min(end, uint64(len(body))):]
	}
	return out
}

// matchUSDT finds probes of binaries.
func (m *Machine) matchUSDT(p lang.Attach) ([]lang.Attach, error) {
	if p.Target == "*" && m.PID == 0 {
		return nil, fmt.Errorf("usdt probes of all binaries need a process: -p or -c")
	}
	files, err := m.binaries(p.Target)
	if err != nil {
		return nil, err
	}
	seen := map[string]bool{}
	var out []lang.Attach
	for _, f := range files {
		probes, err := usdtProbes(f)
		if err != nil {
			if len(files) == 1 {
				return nil, err
			}
			continue
		}
		for _, u := range probes {
			if !lang.Glob(p.Func, u.name) || p.Group != "" && !lang.Glob(p.Group, u.provider) {
				continue
			}
			a := p
			a.Target, a.Group, a.Func = f, u.provider, u.name
			if key := a.String(); !seen[key] {
				seen[key] = true
				out = append(out, a)
			}
		}
	}
	sort.SliceStable(out, func(i, j int) bool { return out[i].String() < out[j].String() })
	return out, nil
}

// USDTArgs are the argument notations of all places of a probe.
func (m *Machine) USDTArgs(a lang.Attach) ([]string, error) {
	probes, err := usdtProbes(a.Target)
	if err != nil {
		return nil, err
	}
	var out []string
	for _, p := range probes {
		if p.name == a.Func && p.provider == a.Group {
			out = append(out, p.args)
		}
	}
	if len(out) == 0 {
		return nil, unknown("no probe %s in %s", a.Func, a.Target)
	}
	return out, nil
}
