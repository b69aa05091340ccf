package trace

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
)

// jsonPrinter writes bpftrace's JSON, a line a message.
type jsonPrinter struct {
	out   io.Writer
	quiet bool
}

func (p *jsonPrinter) data(kind, name, data string) {
	if name != "" {
		data = "{" + quote(name) + ": " + data + "}"
	}
	fmt.Fprintf(p.out, "{\"type\": %s, \"data\": %s}\n", quote(kind), data)
}

func (p *jsonPrinter) attached(n int) {
	if p.quiet {
		return
	}
	fmt.Fprintf(p.out, "{\"type\": \"attached_probes\", \"count\": %d, \"data\": {\"probes\": %d}}\n", n, n)
}

func (p *jsonPrinter) lost(n uint64) {
	fmt.Fprintf(p.out, "{\"type\": \"lost_events\", \"count\": %d, \"data\": {\"events\": %d}}\n", n, n)
}

func (p *jsonPrinter) printf(s string)     { p.data("printf", "", quote(s)) }
func (p *jsonPrinter) value(v datum)       { p.data("value", "", jsonText(v)) }
func (p *jsonPrinter) text(kind, s string) { p.data(kind, "", quote(s)) }

func (p *jsonPrinter) message(m message) {
	file, line, col := splitWhere(m.where)
	fmt.Fprintf(p.out, "{\"type\": %s, \"msg\": %s", quote(m.kind), quote(m.msg))
	if m.kind == "helper_error" {
		fmt.Fprintf(p.out, ", \"helper\": %s, \"retcode\": %d", quote(m.helper), m.code)
	}
	fmt.Fprintf(p.out, ", \"filename\": %s, \"line\": %d, \"col\": %d}\n", quote(file), line, col)
}

// splitWhere takes "file:line:from-to" apart.
func splitWhere(s string) (file string, line, col int) {
	parts := strings.Split(s, ":")
	num := func(s string) int {
		s, _, _ = strings.Cut(s, "-")
		n, _ := strconv.Atoi(s)
		return n
	}
	switch n := len(parts); {
	case n >= 3:
		return strings.Join(parts[:n-2], ":"), num(parts[n-2]), num(parts[n-1])
	case n == 2:
		return parts[0], num(parts[1]), 0
	}
	return s, 0, 0
}

func (p *jsonPrinter) mapValue(name string, v datum) {
	if o, ok := v.(ordered); ok && len(o) == 0 {
		return
	}
	kind := "map"
	probe := v
	if s, ok := probe.(stats); ok {
		kind, probe = "stats", s.v
	}
	if o, ok := probe.(ordered); ok && len(o) > 0 {
		probe = o[0].val
	}
	switch probe.(type) {
	case histogram:
		kind = "hist"
	case series:
		kind = "tseries"
	}
	p.data(kind, name, jsonText(v))
}

// jsonText is a datum as JSON.
func jsonText(v datum) string {
	switch v := v.(type) {
	case nil:
		return "null"
	case bool:
		return strconv.FormatBool(v)
	case int64:
		return jsonNumber(strconv.FormatInt(v, 10), int64(float64(v)) == v && v != 1<<63-1)
	case uint64:
		return jsonNumber(strconv.FormatUint(v, 10), v < 1<<63 && uint64(float64(v)) == v || v>>63 == 1 && v&0x7ff == 0)
	case string:
		return quote(v)
	case symbol:
		return jsonText(v.num)
	case buffer:
		var parts []string
		for _, c := range v {
			parts = append(parts, strconv.Itoa(int(int8(c))))
		}
		return "[" + strings.Join(parts, ",") + "]"
	case tuple:
		return jsonList(v)
	case array:
		return jsonList(v)
	case record:
		var parts []string
		for i, n := range v.names {
			parts = append(parts, quote(n)+": "+jsonText(v.vals[i]))
		}
		return "{" + strings.Join(parts, ", ") + "}"
	case stats:
		return jsonText(v.v)
	case ordered:
		var parts []string
		for _, kv := range v {
			key := text(kv.key)
			if len(key) >= 2 && key[0] == '(' && key[len(key)-1] == ')' {
				key = key[1 : len(key)-1]
			}
			parts = append(parts, quote(strings.ReplaceAll(key, " ", ""))+": "+jsonText(kv.val))
		}
		return "{" + strings.Join(parts, ", ") + "}"
	case histogram:
		return v.json()
	case series:
		var parts []string
		for _, p := range v {
			if p.val != nil {
				at := time.Unix(0, p.at).UTC().Format("2006-01-02 15:04:05.000000000")
				parts = append(parts, "{\"interval_start\":"+quote(at)+",\"value\":"+text(p.val)+"}")
			}
		}
		return "[" + strings.Join(parts, ",") + "]"
	}
	return quote(fmt.Sprint(v))
}

// jsonNumber: numbers a double cannot hold are strings.
func jsonNumber(s string, exact bool) string {
	if exact {
		return s
	}
	return quote(s)
}

func jsonList[T ~[]datum](l T) string {
	var parts []string
	for _, e := range l {
		parts = append(parts, jsonText(e))
	}
	return "[" + strings.Join(parts, ",") + "]"
}

func (h histogram) json() string {
	var parts []string
	for i, c := range h.counts {
		s := "{"
		switch {
		case i == 0 && h.lower != nil:
			s += "\"min\": " + jsonText(h.lower) + ", "
		case i > 0:
			s += "\"min\": " + jsonText(h.labels[i-1]) + ", "
		}
		if i < len(h.labels) {
			upper := int64(asUint(h.labels[i])) - 1
			s += "\"max\": " + jsonText(upper) + ", "
		}
		parts = append(parts, s+"\"count\": "+strconv.FormatUint(c, 10)+"}")
	}
	return "[" + strings.Join(parts, ",") + "]"
}

// quote writes a JSON string.
func quote(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, c := range []byte(s) {
		switch {
		case c == '"' || c == '\\':
			b.WriteByte('\\')
			b.WriteByte(c)
		case c == '\n':
			b.WriteString(`\n`)
		case c == '\r':
			b.WriteString(`\r`)
		case c == '\t':
			b.WriteString(`\t`)
		case c < 0x20:
			fmt.Fprintf(&b, `\u%04x`, c)
		default:
			b.WriteByte(c)
		}
	}
	b.WriteByte('"')
	return b.String()
}
