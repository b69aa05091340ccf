package lab

import (
	"bytes"
	"context"
	"io"
	"net"
	"testing"
	"time"
)

func TestPlain(t *testing.T) {
	start0 := time.Now()
	l, err := New(Config{World: Kernel})
	if err != nil { t.Fatal(err) }
	defer l.Close()
	t.Log("new", time.Since(start0), l.Why())
	a, err := l.Endpoint("a", EndpointConfig{})
	if err != nil {
		t.Fatal(err)
	}
	b, err := l.Endpoint("b", EndpointConfig{})
	if err != nil {
		t.Fatal(err)
	}
	t.Log(a.Addrs(), b.Addrs(), time.Since(start0))
	ctx := context.Background()
	for i := range 3 {
		r, err := a.Ping(ctx, b.Addr4(), PingOptions{Seq: uint16(i)})
		t.Log(r, err)
		r, err = a.Ping(ctx, b.Addr6(), PingOptions{Seq: uint16(i)})
		t.Log(r, err)
	}
	ln, err := b.Listen(ctx, "tcp", ":80")
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			go func() { io.Copy(c, c); c.Close() }()
		}
	}()
	for _, n := range []string{"tcp4", "tcp6"} {
		start := time.Now()
		c, err := a.DialContext(ctx, n, "b:80")
		if err != nil {
			t.Fatal(err)
		}
		data := bytes.Repeat([]byte("0123456789abcdef"), 1<<16)
		go func() { c.Write(data); c.(interface{ CloseWrite() error }).CloseWrite() }()
		got, err := io.ReadAll(c)
		t.Log(len(got), err, bytes.Equal(got, data), time.Since(start))
	}
	_, err = a.DialContext(ctx, "tcp", "b:81")
	t.Log(err)
	_ = net.ErrClosed
	for _, h := range l.hosts {
		t.Log(h.name, routesOf(h, domains(l.hosts)))
	}
	for _, k := range l.Links() {
		t.Log(k.Stats(0))
		t.Log(k.Stats(1))
	}
}
