package lab_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"

	"github.com/skepdev/skep/engine"
	"github.com/skepdev/skep/lab"
)

// Two endpoints on a node ping each other over IPv4 and IPv6.
func ExamplePair() {
	l, client, server, err := lab.Pair(lab.Config{World: lab.Embedded})
	if err != nil {
		log.Fatal(err)
	}
	defer l.Close()
	for _, to := range server.Addrs() {
		reply, err := client.Ping(context.Background(), to, lab.PingOptions{Seq: 1})
		fmt.Println(reply.From, reply.Seq, reply.Payload, err)
	}
	// Output:
	// 10.1.0.3 1 56 <nil>
	// fd00:1::3 1 56 <nil>
}

// A web server in one endpoint, a client in another behind two routers.
func Example() {
	l, err := lab.New(lab.Config{World: lab.Embedded})
	if err != nil {
		log.Fatal(err)
	}
	defer l.Close()
	a, errA := l.Node("a")
	b, errB := l.Node("b")
	_, errC := l.Connect(a, b, lab.LinkConfig{})
	client, errD := l.Endpoint("client", lab.EndpointConfig{On: a})
	web, errE := l.Endpoint("web", lab.EndpointConfig{On: b})
	if err := errors.Join(errA, errB, errC, errD, errE); err != nil {
		log.Fatal(err)
	}

	ln, err := web.Listen(context.Background(), "tcp", ":80")
	if err != nil {
		log.Fatal(err)
	}
	go http.Serve(ln, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "hello from %s", r.Host)
	}))
	browser := http.Client{Transport: &http.Transport{DialContext: client.DialContext}}
	res, err := browser.Get("http://web/")
	if err != nil {
		log.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	fmt.Println(string(body), err)
	// Output: hello from web <nil>
}

// An XDP program at the node's end of an endpoint's link drops what the
// endpoint sends.
func ExampleEndpoint_HostDevice() {
	l, client, server, err := lab.Pair(lab.Config{World: lab.Embedded})
	if err != nil {
		log.Fatal(err)
	}
	defer l.Close()
	ctx := context.Background()
	coll, err := l.Engine().Load(ctx, &ebpf.CollectionSpec{Programs: map[string]*ebpf.ProgramSpec{
		"drop": {
			Name: "drop", Type: ebpf.XDP, License: "GPL",
			Instructions: asm.Instructions{asm.Mov.Imm(asm.R0, 1 /* XDP_DROP */), asm.Return()},
		},
	}}, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer coll.Close()

	ping := func() {
		_, err := client.Ping(ctx, server.Addr4(), lab.PingOptions{Timeout: 100 * time.Millisecond})
		fmt.Println("lost:", errors.Is(err, os.ErrDeadlineExceeded))
	}
	ping()
	lnk, err := l.Engine().Attach(coll.Programs["drop"], engine.XDP{Device: client.HostDevice()})
	if err != nil {
		log.Fatal(err)
	}
	ping()
	if err := lnk.Close(); err != nil {
		log.Fatal(err)
	}
	ping()
	// Output:
	// lost: false
	// lost: true
	// lost: false
}

// What crosses a link, as a file for Wireshark.
func ExampleLab_Capture() {
	l, client, server, err := lab.Pair(lab.Config{World: lab.Embedded})
	if err != nil {
		log.Fatal(err)
	}
	defer l.Close()
	var file bytes.Buffer
	capture, err := l.Capture(client.Link(), &file)
	if err != nil {
		log.Fatal(err)
	}
	if _, err := client.Ping(context.Background(), server.Addr4(), lab.PingOptions{}); err != nil {
		log.Fatal(err)
	}
	if err := capture.Close(); err != nil {
		log.Fatal(err)
	}
	// An ARP request and its reply, the ping and its reply.
	fmt.Println(capture.Packets(), "frames,", capture.Lost(), "lost")
	// Output: 4 frames, 0 lost
}
