package lb_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/skepdev/skep/net/service"
)

// benchDial measures connects with a round trip each, and round trips over one
// connection, for a second each, and prints both a second.
func benchDial(target string) int {
	once := func(c net.Conn, b []byte) error {
		if _, err := c.Write(b); err != nil {
			return err
		}
		_, err := io.ReadFull(c, b)
		return err
	}
	b := make([]byte, 1)
	n, begin := 0, time.Now()
	for ; time.Since(begin) < time.Second; n++ {
		c, err := net.Dial("tcp", target)
		if err == nil {
			err = once(c, b)
			c.(*net.TCPConn).SetLinger(0) // no port waits
			c.Close()
		}
		if err != nil {
			fmt.Println(err)
			return 1
		}
	}
	connects := float64(n) / time.Since(begin).Seconds()
	c, err := net.Dial("tcp", target)
	if err != nil {
		fmt.Println(err)
		return 1
	}
	n, begin = 0, time.Now()
	for ; time.Since(begin) < time.Second; n++ {
		if err := once(c, b); err != nil {
			fmt.Println(err)
			return 1
		}
	}
	fmt.Printf("%.0f %.0f\n", connects, float64(n)/time.Since(begin).Seconds())
	return 0
}

// TestSocketTimes compares connections through the socket programs, with 1 and
// 5,000 services, with direct ones. SKEP_BENCH_LB=1 asks for it: make bench-lb.
func TestSocketTimes(t *testing.T) {
	if os.Getenv("SKEP_BENCH_LB") == "" {
		t.Skip("make bench-lb")
	}
	eng := kernelEngine(t)
	cgroup, enter := cgroupOf(t)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			go func() { defer c.Close(); io.Copy(c, c) }()
		}
	}()
	addr := ln.Addr().(*net.TCPAddr).AddrPort()
	d := open(t, eng, benchConfig)
	apply := func(n int) {
		for i := range n {
			p := bare(i, 50)
			if i == 0 {
				p.Backends = []service.Backend{{Addr: addr, Weight: 1}}
			}
			if _, err := d.Apply(fmt.Sprint(i), []*service.Pool{p}); err != nil {
				t.Fatal(err)
			}
		}
	}
	measure := func(target string) (connects, trips float64) {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), "SKEP_LB_BENCH="+target)
		enter(cmd)
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		fmt.Sscan(strings.TrimSpace(string(out)), &connects, &trips)
		return connects, trips
	}
	vip := netip.MustParseAddrPort("10.100.0.1:80").String()
	for _, services := range []int{1, 5000} {
		apply(services)
		var direct, through [2]float64
		for range 5 { // in turns, the best of each: the machine is shared
			c, r := measure(addr.String())
			direct[0], direct[1] = max(direct[0], c), max(direct[1], r)
			s, err := d.AttachSockets(context.Background(), cgroup)
			if err != nil {
				t.Fatal(err)
			}
			c, r = measure(vip)
			through[0], through[1] = max(through[0], c), max(through[1], r)
			s.Close()
		}
		t.Logf("%5d services: connects a second %.0f, direct %.0f (%+.1f %%); round trips %.0f, direct %.0f (%+.1f %%)", services,
			through[0], direct[0], (through[0]/direct[0]-1)*100, through[1], direct[1], (through[1]/direct[1]-1)*100)
	}
}
