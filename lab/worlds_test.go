package lab_test

import (
	"context"
	"os"
	"runtime"
	"testing"
	"time"

	"github.com/skepdev/skep/lab"
)

// inEachWorld runs one story in the kernel world and in the embedded one.
func inEachWorld(t *testing.T, cfg lab.Config, story func(t *testing.T, l *lab.Lab)) {
	for _, w := range []lab.World{lab.Kernel, lab.Embedded} {
		t.Run(w.String(), func(t *testing.T) {
			cfg := cfg
			cfg.World = w
			story(t, newLab(t, cfg))
		})
	}
}

// newLab opens a lab that ends with the test, or skips the test where the
// kernel world cannot be had.
func newLab(t testing.TB, cfg lab.Config) *lab.Lab {
	t.Helper()
	if cfg.World == lab.Kernel {
		needKernelWorld(t)
	}
	l, err := lab.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Errorf("close lab: %v", err)
		}
	})
	return l
}

func needKernelWorld(t testing.TB) {
	t.Helper()
	if runtime.GOOS != "linux" {
		t.Skip("the kernel world needs Linux")
	}
	if os.Geteuid() != 0 {
		t.Skip("the kernel world needs root")
	}
}

// patient bounds what should take milliseconds.
func patient(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	t.Cleanup(cancel)
	return ctx
}

func node(t testing.TB, l *lab.Lab, name string) *lab.Node {
	t.Helper()
	n, err := l.Node(name)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func makeSwitch(t testing.TB, l *lab.Lab, name string) *lab.Switch {
	t.Helper()
	s, err := l.Switch(name)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func endpoint(t testing.TB, l *lab.Lab, name string, cfg lab.EndpointConfig) *lab.Endpoint {
	t.Helper()
	e, err := l.Endpoint(name, cfg)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func connect(t testing.TB, l *lab.Lab, a, b lab.Attachment) *lab.Link {
	t.Helper()
	k, err := l.Connect(a, b, lab.LinkConfig{})
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func pair(t testing.TB, l *lab.Lab) (client, server *lab.Endpoint) {
	t.Helper()
	return endpoint(t, l, "client", lab.EndpointConfig{}), endpoint(t, l, "server", lab.EndpointConfig{})
}

// mustPing pings all addresses of a host from another.
func mustPing(t testing.TB, from, to *lab.Host) {
	t.Helper()
	for _, a := range to.Addrs() {
		if _, err := from.Ping(patient(t), a, lab.PingOptions{Timeout: 3 * time.Second}); err != nil {
			t.Error(err)
		}
	}
}

func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		if ok() {
			return
		}
	}
	t.Errorf("not within 10 s: %s", what)
}
