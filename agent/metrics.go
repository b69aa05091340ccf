package agent

import (
	"fmt"
	"net/http"
	"strings"
)

// exposition writes Prometheus' text format (version 0.0.4). The counters live
// in maps of the dataplane and are read when asked for, so a registry would only
// copy them.
type exposition struct{ strings.Builder }

func (e *exposition) family(name, kind, help string) {
	fmt.Fprintf(e, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, kind)
}

// sample writes one value; labels are names and values in turn.
func (e *exposition) sample(name string, value any, labels ...string) {
	e.WriteString(name)
	for i := 0; i+1 < len(labels); i += 2 {
		e.WriteString(map[bool]string{true: "{", false: ","}[i == 0])
		fmt.Fprintf(e, "%s=\"%s\"", labels[i], escape.Replace(labels[i+1]))
	}
	if len(labels) > 0 {
		e.WriteString("}")
	}
	fmt.Fprintf(e, " %v\n", value)
}

var escape = strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`)

func (a *Agent) metrics(w http.ResponseWriter, _ *http.Request) {
	text, err := a.exposition()
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/plain; version=0.0.4")
	_, _ = w.Write([]byte(text)) // whoever asked is gone
}

func (a *Agent) exposition() (string, error) {
	var e exposition
	stats, err := a.plane.Stats()
	if err != nil {
		return "", err
	}
	families := []struct{ name, kind, help string }{
		{"skep_lb_packets_total", "counter", "Packets sent to a backend."},
		{"skep_lb_bytes_total", "counter", "Bytes of IP packets sent to a backend."},
		{"skep_lb_connections_total", "counter", "Connections begun with a backend."},
		{"skep_lb_connections_active", "gauge", "Connections remembered of a backend, as of the last count."},
	}
	for i, f := range families {
		e.family(f.name, f.kind, f.help)
		for _, p := range stats {
			for _, b := range p.Backends {
				v := []any{b.Packets, b.Bytes, b.Connections, b.Active}[i]
				e.sample(f.name, v, "pool", p.Pool, "backend", b.Addr.String())
			}
		}
	}
	reasons, err := a.plane.Reasons()
	if err != nil {
		return "", err
	}
	e.family("skep_lb_events_total", "counter", "Packets dropped, or remarkable, by reason.")
	for _, r := range reasons {
		e.sample("skep_lb_events_total", r.Packets, "reason", r.Name, "dropped", fmt.Sprint(r.Dropped))
	}
	p, err := a.plane.CountConnections()
	if err != nil {
		return "", err
	}
	e.family("skep_lb_connection_slots", "gauge", "Slots of the connection table, by what is in them.")
	for _, s := range []struct {
		state string
		n     int
	}{{"half-open", p.HalfOpen}, {"established", p.Established}, {"closing", p.Closing}, {"expired", p.Expired}, {"free", p.Slots - p.HalfOpen - p.Established - p.Closing - p.Expired}} {
		e.sample("skep_lb_connection_slots", s.n, "state", s.state)
	}
	e.family("skep_lb_backend_healthy", "gauge", "Whether active checks hold a backend healthy.")
	statuses := a.monitor.Statuses()
	for _, s := range statuses {
		e.sample("skep_lb_backend_healthy", map[bool]int{true: 1}[s.Healthy], "service", s.Service, "backend", s.Addr.String())
	}
	e.family("skep_lb_check_seconds", "gauge", "How long the last check of a backend took.")
	for _, s := range statuses {
		e.sample("skep_lb_check_seconds", s.Latency.Seconds(), "service", s.Service, "backend", s.Addr.String())
	}
	return e.String(), nil
}
