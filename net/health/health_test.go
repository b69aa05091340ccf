package health

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/skepdev/skep/net/service"
)

func probe(t *testing.T, addr string, h service.Health) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	return Probe(ctx, Target{Addr: netip.MustParseAddrPort(addr), Check: h})
}

func TestProbes(t *testing.T) {
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path == "/moved":
			http.Redirect(w, r, "/elsewhere", http.StatusFound)
		case r.URL.Path != "/" || r.Host == "wrong":
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	}))
	defer web.Close()
	up := strings.TrimPrefix(web.URL, "http://")
	closed := "127.0.0.1:1"
	for _, c := range []struct {
		what, addr string
		check      service.Health
		want       string
	}{
		{"tcp up", up, service.Health{Type: "tcp"}, ""},
		{"tcp down", closed, service.Health{Type: "tcp"}, "connection refused"},
		{"tcp at another port", closed, service.Health{Type: "tcp", Port: netip.MustParseAddrPort(up).Port()}, ""},
		{"http", up, service.Health{Type: "http"}, ""},
		{"http path", up, service.Health{Type: "http", Path: "/no"}, "status 503"},
		{"http host", up, service.Health{Type: "http", Host: "wrong"}, "status 503"},
		{"http expected", up, service.Health{Type: "http", Path: "/no", Expect: []uint16{503}}, ""},
		{"http does not follow", up, service.Health{Type: "http", Path: "/moved", Expect: []uint16{302}}, ""},
		{"command", up, service.Health{Type: "command", Command: []string{"sh", "-c", `[ "$SKEP_ADDRESS" = 127.0.0.1 ]`}}, ""},
		{"command fails", up, service.Health{Type: "command", Command: []string{"sh", "-c", "echo no disk; exit 3"}}, "exit status 3: no disk"},
		// The server answers what it cannot read, or hangs up first.
		{"grpc that is http", up, service.Health{Type: "grpc"}, "/grpc.health.v1.Health/Check"},
	} {
		err := probe(t, c.addr, c.check)
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", c.what, err, c.want)
		}
	}
}

func TestProbeGRPC(t *testing.T) {
	var asked string
	answer := []byte{8, 1}
	status := "0"
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		asked = r.URL.Path + " " + r.Header.Get("Content-Type") + " " + string(b[5:])
		w.Header().Set("Content-Type", "application/grpc")
		w.Header().Set("Trailer", "Grpc-Status")
		if status == "0" {
			w.Write(append(binary.BigEndian.AppendUint32([]byte{0}, uint32(len(answer))), answer...))
		}
		w.Header().Set("Grpc-Status", status)
	}))
	srv.Config.Protocols = new(http.Protocols)
	srv.Config.Protocols.SetUnencryptedHTTP2(true)
	srv.Start()
	defer srv.Close()
	addr := strings.TrimPrefix(srv.URL, "http://")
	check := service.Health{Type: "grpc", Service: "shop.Cart"}
	if err := probe(t, addr, check); err != nil || asked != "/grpc.health.v1.Health/Check application/grpc \n\x09shop.Cart" {
		t.Errorf("asked %q, %v", asked, err)
	}
	answer = []byte{8, 2}
	if err := probe(t, addr, check); err == nil || !strings.Contains(err.Error(), "health is 2") {
		t.Errorf("not serving: %v", err)
	}
	status = "5"
	if err := probe(t, addr, check); err == nil || !strings.Contains(err.Error(), `gRPC status "5"`) {
		t.Errorf("unknown service: %v", err)
	}
}

func TestThresholdsAndSlowStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var down atomic.Bool
		var turned atomic.Int32
		m := newMonitor(func(string) { turned.Add(1) }, func(context.Context, Target) error {
			if down.Load() {
				return errors.New("down")
			}
			return nil
		})
		defer m.Close()
		addr := netip.MustParseAddrPort("10.0.0.1:80")
		m.Set("s", []Target{{Addr: addr, SlowStart: 10 * time.Second, Check: service.Health{
			Type: "tcp", Interval: service.Duration(time.Second), Timeout: service.Duration(time.Second), Healthy: 2, Unhealthy: 3,
		}}})
		state := func(after time.Duration) (service.State, int) {
			time.Sleep(after)
			synctest.Wait()
			return m.State("s", addr)
		}
		if s, p := state(5 * time.Second); s != service.Active || p != 100 || turned.Load() != 0 {
			t.Errorf("at first: %v, %d %%, turned %d times", s, p, turned.Load())
		}
		down.Store(true)
		if s, _ := state(1500 * time.Millisecond); s != service.Active {
			t.Errorf("after two failures: %v", s)
		}
		if s, _ := state(1500 * time.Millisecond); s != service.Unhealthy || turned.Load() != 1 {
			t.Errorf("after three failures: %v, turned %d times", s, turned.Load())
		}
		down.Store(false)
		s, p := state(3 * time.Second)
		if s != service.Active || p < 10 || p > 35 {
			t.Errorf("just back: %v, %d %%", s, p)
		}
		if _, later := state(4 * time.Second); later <= p || later == 100 {
			t.Errorf("on the way: %d %% after %d %%", later, p)
		}
		if s, p := state(12 * time.Second); s != service.Active || p != 100 {
			t.Errorf("in the end: %v, %d %%", s, p)
		}
		if st := m.Statuses(); len(st) != 1 || st[0].Failures != 3 || !st[0].Healthy {
			t.Errorf("statuses %+v", st)
		}
		m.Set("s", nil)
		if s, p := m.State("s", addr); s != service.Active || p != 100 || len(m.Statuses()) != 0 {
			t.Errorf("not watched: %v, %d", s, p)
		}
	})
}

func TestCloseEndsChecks(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	var mu sync.Mutex
	started := 0
	m := newMonitor(func(string) {}, func(ctx context.Context, _ Target) error {
		mu.Lock()
		started++
		mu.Unlock()
		<-ctx.Done()
		return ctx.Err()
	})
	m.Set("s", []Target{{Addr: ln.Addr().(*net.TCPAddr).AddrPort(), Check: service.Health{Type: "tcp", Interval: 1e6, Timeout: service.Duration(time.Hour), Healthy: 1, Unhealthy: 1}}})
	for deadline := time.Now().Add(5 * time.Second); ; time.Sleep(time.Millisecond) {
		mu.Lock()
		n := started
		mu.Unlock()
		if n > 0 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("no check began")
		}
	}
	m.Close()
	m.Set("s", []Target{{}})
	if len(m.Statuses()) != 1 {
		t.Error("a closed monitor took targets")
	}
}

func FuzzServing(f *testing.F) {
	f.Add([]byte{0, 0, 0, 0, 2, 8, 1})
	f.Add([]byte{0, 0, 0, 0, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		if err := serving(b); err == nil && (len(b) < 7 || b[6]&0x7f != 1) {
			t.Errorf("%x is serving", b)
		}
	})
}
