package trace

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"

	"github.com/skepdev/skep/lang"
)

// handle acts on a record. Records of a session whose exit() was seen are
// printed still, but for what the script said after it.
func (s *Session) handle(data []byte) {
	if len(data) < 8 {
		return
	}
	id := ne().Uint32(data)
	if int(id) >= len(s.Object.Events) {
		return
	}
	ev := &s.Object.Events[id]
	if len(data) < ev.Size {
		return
	}
	switch ev.Kind {
	case lang.EventPrintf:
		s.print.printf(sprintf(ev.Format, s.args(ev, data)))
	case lang.EventErrorf, lang.EventWarnf, lang.EventDebug:
		s.severe(ev, data)
	case lang.EventPrintValue:
		s.printValue(ev, data)
	case lang.EventPrintMap:
		var n [2]int64
		for i, d := range s.args(ev, data) {
			n[i], _ = number(d)
		}
		s.printMap(ev.Map, n[0], n[1])
	case lang.EventClear, lang.EventZero:
		if err := s.clear(ev.Map, ev.Kind == lang.EventZero); err != nil {
			fmt.Fprintf(s.Err, "ERROR: clear map %s: %v\n", ev.Map, err)
		}
	case lang.EventExit:
		s.exiting = true
		if a := s.args(ev, data); len(a) > 0 {
			n, _ := number(a[0])
			s.code = int(n)
		}
	case lang.EventTime:
		s.print.text("time", strftime(ev.Format, wallClock()))
	case lang.EventJoin:
		s.join(ev, data)
	case lang.EventSystem:
		s.system(sprintf(ev.Format, s.args(ev, data)))
	case lang.EventCat:
		s.cat(sprintf(ev.Format, s.args(ev, data)))
	case lang.EventFailure:
		s.failure(int(ne().Uint64(data[8:])), int64(ne().Uint64(data[16:])))
	}
}

// args decodes a record's arguments.
func (s *Session) args(ev *lang.Event, data []byte) []datum {
	out := make([]datum, len(ev.Args))
	for i, t := range ev.Args {
		out[i] = s.dec.alone(t, data[ev.Offsets[i]:])
	}
	return out
}

func (s *Session) printValue(ev *lang.Event, data []byte) {
	if ev.Map == "" {
		s.print.value(s.args(ev, data)[0])
		return
	}
	m := mapView{s.Object.Maps[ev.Map]}
	key := data[ev.Offsets[0]:][:m.KeySize]
	live := s.coll.Maps[m.Spec]
	v := make([]byte, live.Info().ValueBytes)
	if err := live.Lookup(key, v, 0); err != nil {
		return
	}
	d := s.mapDatum(m, []entry{{key, v}}, 0, 0)
	if st, ok := d.(stats); ok {
		d = st.v
	}
	if o, ok := d.(ordered); ok && len(o) == 1 {
		s.print.mapValue(ev.Map, d)
	}
}

func (s *Session) severe(ev *lang.Event, data []byte) {
	m := message{severity: "ERROR", kind: "errorf", where: ev.Where, msg: sprintf(ev.Format, s.args(ev, data)), source: ev.Source}
	if ev.Kind != lang.EventErrorf {
		if s.NoWarnings {
			return
		}
		m.severity, m.kind = "WARNING", "warnf"
	}
	for _, p := range ev.Expanded {
		m.expanded = append(m.expanded, [2]any{p.Where, p.Source})
	}
	s.print.message(m)
}

func (s *Session) join(ev *lang.Event, data []byte) {
	var parts []string
	for _, d := range s.args(ev, data) {
		str, _ := d.(string)
		if str == "" {
			break
		}
		parts = append(parts, str)
	}
	out := strings.Join(parts, ev.Format)
	if !s.JSON {
		out += "\n"
	}
	s.print.text("join", out)
}

// system runs a command of a script that was compiled with --unsafe.
func (s *Session) system(cmd string) {
	c := exec.Command("/bin/sh", "-c", cmd)
	c.Stderr = s.Err
	if !s.JSON {
		c.Stdout = s.Out
		c.Run()
		return
	}
	out, _ := c.Output()
	s.print.text("syscall", string(out))
}

// cat prints a file's beginning.
func (s *Session) cat(path string) {
	f, err := os.Open(path)
	if err != nil {
		fmt.Fprintf(s.Err, "ERROR: failed to open file '%s' (%v)\n", path, unwrapErrno(err))
		return
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, int64(s.Object.Config.MaxCatBytes)))
	if err != nil {
		fmt.Fprintf(s.Err, "ERROR: failed to read file '%s': %v\n", path, unwrapErrno(err))
		return
	}
	s.print.text("cat", string(b))
}

// failure reports the first failure of a helper at a place.
func (s *Session) failure(place int, code int64) {
	if place >= len(s.Object.Places) || s.failures[place] {
		return
	}
	s.failures[place] = true
	if s.NoWarnings {
		return
	}
	p := s.Object.Places[place]
	if p.Msg != "" {
		s.print.message(message{severity: "WARNING", kind: "runtime_error", where: p.Where, source: p.Source, msg: p.Msg})
		return
	}
	errno := syscall.Errno(-code)
	msg := errnoText(errno)
	switch {
	case p.Helper == "map_update_elem" && errno == syscall.E2BIG:
		msg = "Map full; can't update element. Try increasing max_map_keys config or manually setting the max entries in a map declaration e.g. `let " +
			p.Map + " = hash(5000)`"
	case p.Helper == "map_lookup_elem":
		msg = "Can't lookup map element because it does not exist."
	case p.Helper == "map_delete_elem" && errno == syscall.ENOENT:
		msg = "Can't delete map element because it does not exist."
	}
	s.print.message(message{
		severity: "WARNING", kind: "helper_error", where: p.Where, source: p.Source, helper: p.Helper, code: code,
		msg: msg,
	})
}

// reportFailures says how often a helper failed, where it did more than once.
func (s *Session) reportFailures() {
	if len(s.failures) == 0 || s.NoWarnings || s.JSON {
		return
	}
	m := s.coll.Maps[lang.ErrorMap]
	if m == nil {
		return
	}
	v := make([]byte, m.Info().ValueBytes)
	if m.Lookup(make([]byte, 4), v, 0) != nil {
		return
	}
	for i, p := range s.Object.Places {
		if n := ne().Uint64(v[8*i:]); n > 1 {
			what := p.Helper + " failed"
			switch {
			case p.Msg != "":
				what, _, _ = strings.Cut(p.Msg, ".")
			case p.Map != "":
				what = p.Helper + " of " + p.Map + " failed"
			}
			fmt.Fprintf(s.Err, "%s: WARNING: %s %d times\n", p.Where, what, n)
		}
	}
}

// cleared remembers that a scalar was cleared, so that its zero is not printed
// at the end.
func (s *Session) cleared(name string) {
	if s.gone == nil {
		s.gone = map[string]bool{}
	}
	s.gone[name] = true
}

// empty says whether a cleared scalar was left alone since.
func (s *Session) empty(name string) bool {
	if !s.gone[name] {
		return false
	}
	list, err := s.entries(s.Object.Maps[name])
	if err != nil || len(list) != 1 {
		return false
	}
	for _, b := range list[0].val {
		if b != 0 {
			return false
		}
	}
	return true
}
