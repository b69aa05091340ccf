package agent

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/skepdev/skep/client"
	"github.com/skepdev/skep/embedded"
)

const web = `apiVersion: v1
kind: Service
metadata: {name: web}
spec: {clusterIP: 10.96.0.1, ports: [{port: 80}]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: web-1, labels: {kubernetes.io/service-name: web}}
addressType: IPv4
endpoints: [{addresses: [%s]}]
ports: [{port: %d}]
---
apiVersion: skep.dev/v1alpha1
kind: ServicePolicy
metadata: {name: web}
spec: {health: {type: tcp, interval: 50ms, timeout: 50ms, healthy: 1, unhealthy: 1}}
`

type running struct {
	*client.Client
	t   *testing.T
	dir string
	end func()
}

// start runs an agent on the embedded engine over a folder.
func start(t *testing.T, dir string, change ...func(*Config)) *running {
	t.Helper()
	eng, err := embedded.New(embedded.Config{CPUs: 2})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { eng.Close() })
	socket := filepath.Join(dir, "agent.sock")
	cfg := Config{
		Files: []string{filepath.Join(dir, "services")}, Socket: socket, State: filepath.Join(dir, "state"),
		Poll: 10 * time.Millisecond, Log: slog.New(slog.DiscardHandler),
	}
	for _, c := range change {
		c(&cfg)
	}
	a, err := Open(t.Context(), eng, cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- a.Run(ctx) }()
	stopped := false
	r := &running{client.New(socket), t, dir, func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		if err := errors.Join(<-ended, a.Close()); err != nil {
			t.Error(err)
		}
	}}
	t.Cleanup(r.end)
	return r
}

func (r *running) file(name, text string) {
	r.t.Helper()
	path := filepath.Join(r.dir, "services", name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		r.t.Fatal(err)
	}
	// Written beside and moved, so that no half file is read.
	if err := errors.Join(os.WriteFile(path+".tmp", []byte(text), 0o644), os.Rename(path+".tmp", path)); err != nil {
		r.t.Fatal(err)
	}
}

// until waits for the list of services to be so.
func (r *running) until(what string, ok func([]client.Service) bool) {
	r.t.Helper()
	var last []client.Service
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		var err error
		if last, err = r.Services(r.t.Context()); err != nil {
			r.t.Fatal(err)
		}
		if ok(last) {
			return
		}
	}
	text, _ := json.MarshalIndent(last, "", " ")
	r.t.Fatalf("never %s:\n%s", what, text)
}

func backendIs(state string) func([]client.Service) bool {
	return func(s []client.Service) bool {
		return len(s) == 1 && len(s[0].Pools) == 1 && len(s[0].Pools[0].Backends) == 1 && s[0].Pools[0].Backends[0].State == state && s[0].Pools[0].Backends[0].Check != nil
	}
}

func TestFilesAreFollowed(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	port := ln.Addr().(*net.TCPAddr).Port
	dir := t.TempDir()
	first := &running{t: t, dir: dir}
	first.file("web.yaml", fmt.Sprintf(web, "127.0.0.1", port))
	r := start(t, dir)
	r.until("checked", func(s []client.Service) bool {
		return backendIs("active")(s) && s[0].Pools[0].Backends[0].Check.Checks > 0
	})
	// A file that cannot be read any more keeps what it said.
	r.file("web.yaml", "kind: Service\nspec: [")
	time.Sleep(50 * time.Millisecond)
	r.until("kept", backendIs("active"))
	// Of two backends the one that is down is taken out; alone it would serve.
	r.file("web.yaml", fmt.Sprintf(web, "127.0.0.1]}, {addresses: [127.0.0.2", port))
	r.until("unhealthy", func(s []client.Service) bool {
		b := s[0].Pools[0].Backends
		return len(b) == 2 && b[0].State == "active" && b[1].State == "unhealthy" && b[1].Check.Error != ""
	})
	if err := os.Remove(filepath.Join(dir, "services", "web.yaml")); err != nil {
		t.Fatal(err)
	}
	r.until("gone", func(s []client.Service) bool { return len(s) == 0 })
}

func TestAPI(t *testing.T) {
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "services"), 0o755); err != nil {
		t.Fatal(err)
	}
	ctx := t.Context()
	r := start(t, dir)
	events := make(chan client.Event, 10)
	watching, stop := context.WithCancel(ctx)
	defer stop()
	go r.Watch(watching, func(e client.Event) bool { events <- e; return true })
	time.Sleep(50 * time.Millisecond)
	if _, err := r.Apply(ctx, "bad.yaml", []byte("kind: Servic")); err == nil || !strings.Contains(err.Error(), `bad.yaml:1:7: kind: kind "Servic" is not known (did you mean "Service"?)`) {
		t.Errorf("apply a mistake: %v", err)
	}
	steps, err := r.Apply(ctx, "web.yaml", fmt.Appendf(nil, web, "10.1.0.1", 8080))
	if err != nil || len(steps) != 3 || steps[2].Text != "+   backend 10.1.0.1:8080" {
		t.Fatalf("apply: %v, %v", steps, err)
	}
	select {
	case e := <-events:
		if e.Service != "service/default/web" || len(e.Steps) != 3 {
			t.Errorf("event %+v", e)
		}
	case <-time.After(5 * time.Second):
		t.Error("no event")
	}
	trace, err := r.Trace(ctx, "tcp 192.0.2.1:1000 > 10.96.0.1:80")
	if err != nil || !strings.Contains(string(trace), "10.1.0.1:8080") {
		t.Errorf("trace %s, %v", trace, err)
	}
	if _, err := r.Trace(ctx, "nonsense"); err == nil || !strings.Contains(err.Error(), `read packet "nonsense"`) {
		t.Errorf("trace nonsense: %v", err)
	}
	metrics, err := r.Metrics(ctx)
	for _, want := range []string{
		`skep_lb_packets_total{pool="default/web:80/TCP/4/cluster",backend="10.1.0.1:8080"} 0`, `skep_lb_events_total{reason="no-backend",dropped="true"} 0`,
		`skep_lb_connection_slots{state="free"} 262144`,
	} {
		if err != nil || !strings.Contains(metrics, want+"\n") {
			t.Errorf("metrics lack %s (%v)", want, err)
		}
	}
	// Another agent on the same socket is refused; a restart keeps what was applied.
	if _, err := listen(filepath.Join(dir, "agent.sock")); err == nil || !strings.Contains(err.Error(), "another agent answers") {
		t.Errorf("a second agent: %v", err)
	}
	r.end()
	r = start(t, dir)
	if s, err := r.Services(ctx); err != nil || len(s) != 1 || len(s[0].Pools) != 1 {
		t.Fatalf("after a restart: %+v, %v", s, err)
	}
	for _, key := range []string{"endpointslice/default/web-1", "servicepolicy/default/web", "service/default/web"} {
		if _, err := r.Delete(ctx, key); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := r.Delete(ctx, "service/default/web"); err == nil || err.Error() != "there is no service/default/web" {
		t.Errorf("delete twice: %v", err)
	}
	if left, _ := os.ReadDir(filepath.Join(dir, "state", "resources")); len(left) != 0 {
		t.Errorf("left in state: %v", left)
	}
	r.end()
	if _, err := r.Services(ctx); !errors.Is(err, client.ErrNoAgent) {
		t.Errorf("without an agent: %v", err)
	}
}

// A client of the service's port gets an answer from its backend, through the
// agent as an ordinary process.
func TestUserspace(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	go func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			conn.Write([]byte("hello"))
			conn.Close()
		}
	}()
	// A port that is free, for the service.
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	at := free.Addr().(*net.TCPAddr).AddrPort()
	free.Close()
	dir := t.TempDir()
	(&running{t: t, dir: dir}).file("s.yaml", fmt.Sprintf(`apiVersion: v1
kind: Service
metadata: {name: s}
spec: {clusterIP: 127.0.0.1, ports: [{port: %d}]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: s-1, labels: {kubernetes.io/service-name: s}}
addressType: IPv4
endpoints: [{addresses: [127.0.0.1]}]
ports: [{port: %d}]
`, at.Port(), ln.Addr().(*net.TCPAddr).Port))
	r := start(t, dir, func(c *Config) { c.Userspace = true })
	conn, err := net.Dial("tcp", at.String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(5 * time.Second))
	b := make([]byte, 10)
	if n, err := conn.Read(b); string(b[:n]) != "hello" {
		t.Errorf("answer %q, %v", b[:n], err)
	}
	if s, err := r.Services(t.Context()); err != nil || s[0].Pools[0].Connections != 1 {
		t.Errorf("services %+v, %v", s, err)
	}
}

func TestLabelsAreEscaped(t *testing.T) {
	var e exposition
	e.sample("x", 1, "a", "q\"b\\c\n", "d", "")
	if got := e.String(); got != `x{a="q\"b\\c\n",d=""} 1`+"\n" {
		t.Errorf("%q", got)
	}
}
