package lab_test

import (
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/skepdev/skep/lab"
)

// A lab is ready to carry packets of both families well within a second. The
// bound is generous: it takes tens of milliseconds on an idle machine.
func TestStartsFast(t *testing.T) {
	for _, w := range []lab.World{lab.Kernel, lab.Embedded} {
		t.Run(w.String(), func(t *testing.T) {
			if w == lab.Kernel {
				needKernelWorld(t)
			}
			best := time.Hour
			for range 3 {
				best = min(best, startOnce(t, w))
			}
			t.Logf("a pair answers pings after %v", best)
			if best > time.Second {
				t.Errorf("start took %v", best)
			}
		})
	}
}

func startOnce(t testing.TB, w lab.World) time.Duration {
	start := time.Now()
	l, client, server, err := lab.Pair(lab.Config{World: w})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	mustPing(t, client.Host, server.Host)
	return time.Since(start)
}

func BenchmarkStart(b *testing.B) {
	for _, w := range []lab.World{lab.Kernel, lab.Embedded} {
		b.Run(w.String(), func(b *testing.B) {
			if w == lab.Kernel {
				needKernelWorld(b)
			}
			for b.Loop() {
				startOnce(b, w)
			}
		})
	}
}

func BenchmarkPing(b *testing.B) {
	for _, w := range []lab.World{lab.Kernel, lab.Embedded} {
		b.Run(w.String(), func(b *testing.B) {
			client, server := pair(b, newLab(b, lab.Config{World: w}))
			ctx, to := patient(b), server.Addr4()
			for b.Loop() {
				if _, err := client.Ping(ctx, to, lab.PingOptions{}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkTCP(b *testing.B) {
	for _, w := range []lab.World{lab.Kernel, lab.Embedded} {
		b.Run(w.String(), func(b *testing.B) {
			client, server := pair(b, newLab(b, lab.Config{World: w}))
			const size = 4 << 20
			b.SetBytes(size)
			for b.Loop() {
				transfer(b, client, server, size)
			}
		})
	}
}

// Opening and closing labs leaves no goroutine and no descriptor behind.
func TestNoLeaks(t *testing.T) {
	inEachWorld(t, lab.Config{}, func(t *testing.T, l *lab.Lab) {
		w := l.World()
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		use := func() {
			l, client, server, err := lab.Pair(lab.Config{World: w})
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			sw := makeSwitch(t, l, "sw")
			endpoint(t, l, "third", lab.EndpointConfig{On: sw})
			mustPing(t, client.Host, server.Host)
			if _, err := l.Capture(client.Link(), discard{}); err != nil {
				t.Fatal(err)
			}
			transfer(t, client, server, 100000)
			if _, err := server.Listen(patient(t), "tcp", ":80"); err != nil {
				t.Fatal(err)
			}
			if _, err := client.DialContext(patient(t), "tcp", "server:80"); err != nil {
				t.Fatal(err)
			}
			if _, err := client.ListenPacket(patient(t), "udp", ":0"); err != nil {
				t.Fatal(err)
			}
		}
		use() // what stays for good comes to stay once
		goroutines, files := runtime.NumGoroutine(), openFiles(t)
		for range 5 {
			use()
		}
		eventually(t, "goroutines have ended", func() bool { return runtime.NumGoroutine() <= goroutines })
		if n := runtime.NumGoroutine(); n > goroutines {
			buf := make([]byte, 1<<20)
			t.Errorf("%d goroutines, %d before\n%s", n, goroutines, buf[:runtime.Stack(buf, true)])
		}
		eventually(t, "files are closed", func() bool { return openFiles(t) <= files })
		if n := openFiles(t); n > files {
			t.Errorf("%d open files, %d before", n, files)
		}
	})
}

type discard struct{}

func (discard) Write(b []byte) (int, error) { return len(b), nil }

// openFiles counts the process's descriptors, as far as the system tells.
func openFiles(t testing.TB) int {
	t.Helper()
	dir, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return 0
	}
	return len(dir)
}

func TestWhy(t *testing.T) {
	inEachWorld(t, lab.Config{}, func(t *testing.T, l *lab.Lab) {
		if !strings.HasPrefix(l.Why(), l.World().String()+" world: ") {
			t.Errorf("why: %s", l.Why())
		}
		// With an engine that is open already the lab follows it, and leaves
		// it open.
		again, err := lab.New(lab.Config{Engine: l.Engine()})
		if err != nil {
			t.Fatal(err)
		}
		if again.World() != l.World() || again.Engine() != l.Engine() {
			t.Errorf("world %s, engine %v", again.World(), again.Engine().Name())
		}
		if err := again.Close(); err != nil {
			t.Error(err)
		}
		pair(t, l)
		other := map[lab.World]lab.World{lab.Kernel: lab.Embedded, lab.Embedded: lab.Kernel}[l.World()]
		if _, err := lab.New(lab.Config{Engine: l.Engine(), World: other}); err == nil {
			t.Error("a world with the other's engine: no error")
		}
	})
}

func TestBadConfig(t *testing.T) {
	for _, cfg := range []lab.Config{
		{Name: "a/b"}, {MTU: -1}, {MTU: 1 << 20}, {QueueLength: -1}, {World: 7},
	} {
		if l, err := lab.New(cfg); err == nil {
			l.Close()
			t.Errorf("%+v: no error", cfg)
		}
	}
	for in, want := range map[string]lab.World{"": lab.Auto, "auto": lab.Auto, "kernel": lab.Kernel, "embedded": lab.Embedded} {
		if got, err := lab.ParseWorld(in); err != nil || got != want {
			t.Errorf("parse %q: %v, %v", in, got, err)
		}
	}
	if _, err := lab.ParseWorld("moon"); err == nil {
		t.Error("parse moon: no error")
	}
	var none *lab.Lab
	if err := none.Close(); err != nil {
		t.Error(err)
	}
}
