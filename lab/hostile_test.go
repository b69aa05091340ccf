package lab_test

import (
	"errors"
	"net"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"

	"github.com/skepdev/skep/engine"
	"github.com/skepdev/skep/lab"
)

// Programs at both ends that throw every frame back make it fly for good.
// Nothing else stands still meanwhile, nothing grows, and Close ends it.
func TestReflectionStorm(t *testing.T) {
	l := newLab(t, lab.Config{World: lab.Embedded, QueueLength: 256})
	client, server := pair(t, l)
	third := endpoint(t, l, "third", lab.EndpointConfig{})
	mustPing(t, client.Host, server.Host)
	back := verdict(ebpf.XDP, xdpTX)
	for _, d := range []engine.Device{client.HostDevice(), client.Device()} {
		attach(t, l, load(t, l, back), engine.XDP{Device: d})
	}
	var before, after runtime.MemStats
	for range 300 {
		_, _ = client.Ping(patient(t), server.Addr4(), lab.PingOptions{Timeout: time.Microsecond})
	}
	runtime.GC()
	runtime.ReadMemStats(&before)
	time.Sleep(200 * time.Millisecond)
	mustPing(t, third.Host, server.Host)
	runtime.GC()
	runtime.ReadMemStats(&after)
	if after.HeapAlloc > before.HeapAlloc+8<<20 {
		t.Errorf("the heap grew from %d to %d bytes", before.HeapAlloc, after.HeapAlloc)
	}
	s, err := client.Link().Stats(0)
	if err != nil {
		t.Fatal(err)
	}
	if s.ReceivedPackets < 1000 {
		t.Errorf("the frames flew only %d times", s.ReceivedPackets)
	}
	start := time.Now()
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	if d := time.Since(start); d > 5*time.Second {
		t.Errorf("close took %v", d)
	}
}

// A program on egress that redirects every frame back into the stack that
// sends it must not lock that stack up.
func TestRedirectIntoSender(t *testing.T) {
	inEachWorld(t, lab.Config{}, func(t *testing.T, l *lab.Lab) {
		client, server := pair(t, l)
		mustPing(t, client.Host, server.Host)
		spec := verdict(ebpf.SchedCLS, 0)
		p := spec.Programs["verdict"]
		p.Instructions = append(asm.Instructions{
			asm.LoadMem(asm.R1, asm.R1, 40, asm.Word), // __sk_buff.ifindex
			asm.Mov.Imm(asm.R2, 1),                    // BPF_F_INGRESS
			asm.FnRedirect.Call(),
			asm.Return(),
		}, p.Instructions[len(p.Instructions):]...)
		delete(spec.Maps, "count")
		coll, err := l.Engine().Load(patient(t), spec, nil)
		if err != nil {
			t.Fatal(err)
		}
		defer coll.Close()
		lnk, err := l.Engine().Attach(coll.Programs["verdict"], engine.TCX{Device: client.Device(), Egress: true})
		if err != nil {
			t.Fatal(err)
		}
		for range 20 {
			_, _ = client.Ping(patient(t), server.Addr4(), lab.PingOptions{Timeout: 5 * time.Millisecond})
			_, _ = client.Ping(patient(t), server.Addr6(), lab.PingOptions{Timeout: 5 * time.Millisecond})
		}
		if err := lnk.Close(); err != nil {
			t.Error(err)
		}
		mustPing(t, client.Host, server.Host)
	})
}

// Everything at once: dials, pings, captures and new endpoints from many
// goroutines while the lab is closed under them.
func TestCloseUnderLoad(t *testing.T) {
	inEachWorld(t, lab.Config{}, func(t *testing.T, l *lab.Lab) {
		client, server := pair(t, l)
		ln, err := server.Listen(patient(t), "tcp", ":80")
		if err != nil {
			t.Fatal(err)
		}
		go echo(ln)
		stop := make(chan struct{})
		var wg sync.WaitGroup
		loop := func(f func(i int) error) {
			wg.Add(1)
			go func() {
				defer wg.Done()
				for i := 0; ; i++ {
					select {
					case <-stop:
						return
					default:
					}
					if err := f(i); err != nil && !errors.Is(err, engine.ErrClosed) && !errors.Is(err, net.ErrClosed) {
						t.Logf("before or during close: %v", err)
						return
					}
				}
			}()
		}
		for range 3 {
			loop(func(int) error {
				_, err := client.Ping(patient(t), server.Addr6(), lab.PingOptions{})
				return err
			})
			loop(func(int) error {
				c, err := client.DialContext(patient(t), "tcp", "server:80")
				if err != nil {
					return err
				}
				defer c.Close()
				_, _ = c.Write([]byte("hello"))
				_, _ = c.Read(make([]byte, 5))
				return nil
			})
		}
		loop(func(int) error {
			c, err := l.Capture(client.Link(), discard{})
			if err != nil {
				return err
			}
			return c.Close()
		})
		loop(func(i int) error {
			if i > 20 {
				time.Sleep(time.Millisecond)
				return nil
			}
			_, err := l.Endpoint("e"+string(rune('a'+i)), lab.EndpointConfig{})
			return err
		})
		time.Sleep(100 * time.Millisecond)
		closed := make(chan error)
		go func() { closed <- l.Close() }()
		select {
		case err := <-closed:
			if err != nil {
				t.Error(err)
			}
		case <-time.After(10 * time.Second):
			t.Fatal("Close hangs")
		}
		close(stop)
		wg.Wait()
	})
}
