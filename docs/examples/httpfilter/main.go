// Command httpfilter is an HTTP server whose requests an eBPF program judges, in
// this process, without a kernel's leave. The program is an object file; write
// another one in its place and it judges the next request.
//
//	go run ./docs/examples/httpfilter -filter docs/examples/httpguard.bpf.o
//	go run ./docs/examples/httpfilter -header > docs/examples/http_request.h
package main

import (
	"context"
	"flag"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"time"
)

func main() {
	listen := flag.String("listen", "localhost:8080", "address to serve at")
	filter := flag.String("filter", "docs/examples/httpguard.bpf.o", "the object file that judges requests")
	header := flag.Bool("header", false, "print the C header that filters include, and end")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, *listen, *filter, *header); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, listen, file string, header bool) error {
	f, err := NewFilter(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintln(w, "hello from", r.URL.Path)
	}))
	if err != nil {
		return err
	}
	defer f.Close()
	if header {
		fmt.Print(f.hook.Header())
		return nil
	}
	if err := f.Load(ctx, file); err != nil {
		return err
	}
	l, err := net.Listen("tcp", listen)
	if err != nil {
		return err
	}
	log.Printf("%s judges requests to http://%s", file, l.Addr())
	go watch(ctx, f, file)
	s := http.Server{Handler: f, ReadHeaderTimeout: 10 * time.Second}
	go func() {
		<-ctx.Done()
		_ = s.Shutdown(context.Background())
	}()
	if err := s.Serve(l); err != http.ErrServerClosed {
		return err
	}
	return nil
}

// watch loads the file again when it changes.
func watch(ctx context.Context, f *Filter, file string) {
	var last time.Time
	for ctx.Err() == nil {
		if info, err := os.Stat(file); err == nil && !info.ModTime().Equal(last) {
			if !last.IsZero() {
				if err := f.Load(ctx, file); err != nil {
					log.Printf("the filter before stays: %v", err)
				} else {
					log.Printf("%s is replaced", file)
				}
			}
			last = info.ModTime()
		}
		select {
		case <-ctx.Done():
		case <-time.After(200 * time.Millisecond):
		}
	}
}

func number(n uint32) string { return strconv.FormatUint(uint64(n), 10) }
