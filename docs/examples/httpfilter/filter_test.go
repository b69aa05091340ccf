package main

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/skepdev/skep/engine"
)

const (
	guard = "../httpguard.bpf.o"
	limit = "../httplimit.bpf.o"
)

// serve starts a server behind a filter, which handles requests with next.
func serve(t *testing.T, next http.HandlerFunc) (*Filter, *httptest.Server) {
	f, err := NewFilter(next)
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewServer(f)
	t.Cleanup(func() {
		s.Close()
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	})
	return f, s
}

// ask makes a request and returns status and filter of the answer.
func ask(t *testing.T, s *httptest.Server, path string, header ...string) (status int, filter string) {
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.URL+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := s.Client().Do(req)
	if err != nil {
		t.Error(err)
		return 0, ""
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		t.Error(err)
	}
	return resp.StatusCode, resp.Header.Get("X-Filter")
}

func TestFilters(t *testing.T) {
	f, s := serve(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) })
	if status, _ := ask(t, s, "/"); status != http.StatusServiceUnavailable {
		t.Errorf("without a filter: %d", status)
	}
	expect := func(path string, want int, filter string, header ...string) {
		t.Helper()
		if status, by := ask(t, s, path, header...); status != want || by != filter {
			t.Errorf("%s %v: %d by filter %q, want %d by %s", path, header, status, by, want, filter)
		}
	}
	if err := f.Load(t.Context(), guard); err != nil {
		t.Fatal(err)
	}
	expect("/", 200, "1")
	expect("/admi", 200, "1")
	expect("/admin/x", 401, "1")
	expect("/admin/x", 401, "1", "X-Token", "sesam")
	expect("/admin/x", 401, "1", "X-Token", "sesame!")
	expect("/admin/x", 200, "1", "X-Token", "sesame")
	if err := f.Load(t.Context(), "filter.go"); err == nil {
		t.Error("Go source was loaded")
	}
	expect("/admin/x", 200, "1", "X-Token", "sesame")
	if err := f.Load(t.Context(), limit); err != nil {
		t.Fatal(err)
	}
	expect("/admin/x", 404, "2", "X-Token", "sesame")
	expect("/", 200, "2")
}

// What a filter keeps in its maps is read from Go.
func TestMaps(t *testing.T) {
	f, s := serve(t, func(http.ResponseWriter, *http.Request) {})
	if err := f.Load(t.Context(), limit); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		ask(t, s, "/")
	}
	rates, err := engine.NewView[[16]byte, struct{ Second, Requests uint64 }](f.coll.Maps["rates"])
	if err != nil {
		t.Fatal(err)
	}
	for client, rate := range rates.All(&err) {
		if addr := netip.AddrFrom16(client).Unmap(); !addr.IsLoopback() || rate.Requests == 0 || rate.Requests > 3 {
			t.Errorf("%s: %+v", addr, rate)
		}
	}
	if err != nil {
		t.Error(err)
	}
}

// docs/embed.md quotes what is here.
func TestPage(t *testing.T) {
	page, err := os.ReadFile("../../embed.md")
	if err != nil {
		t.Fatal(err)
	}
	quotes := 0
	for _, part := range strings.Split(string(page), "<!-- from ")[1:] {
		file, rest, _ := strings.Cut(part, " -->\n```")
		_, rest, _ = strings.Cut(rest, "\n")
		quote, _, ok := strings.Cut(rest, "```\n")
		if !ok {
			t.Fatalf("a quote from %s has no end", file)
		}
		text, err := os.ReadFile("../../" + file)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Contains(text, []byte(quote)) {
			t.Errorf("%s does not have\n%s", file, quote)
		}
		quotes++
	}
	if quotes < 8 {
		t.Errorf("%d quotes", quotes)
	}
}

// While filters are replaced no request is lost, and none passes without one.
func TestReplaceWhileServing(t *testing.T) {
	var served atomic.Int64
	f, s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/admin") {
			t.Error("a request that every filter denies was served")
		}
		served.Add(1)
	})
	if err := f.Load(t.Context(), guard); err != nil {
		t.Fatal(err)
	}
	var allowed, by1, by2 atomic.Int64
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var clients sync.WaitGroup
	for range 4 {
		clients.Go(func() {
			for i := 0; ctx.Err() == nil; i++ {
				path, want := "/", http.StatusOK
				if i%3 == 0 {
					path = "/admin"
				}
				status, by := ask(t, s, path)
				switch {
				case path == "/" && by == "2" && status == http.StatusTooManyRequests:
					// The second filter counts.
				case path == "/admin":
					if by == "1" && status != http.StatusUnauthorized || by == "2" && status != http.StatusNotFound {
						t.Errorf("%s: %d by filter %q", path, status, by)
					}
				case status != want:
					t.Errorf("%s: %d by filter %q", path, status, by)
				default:
					allowed.Add(1)
				}
				switch by {
				case "1":
					by1.Add(1)
				case "2":
					by2.Add(1)
				default:
					t.Errorf("%s: %d, and no filter judged it", path, status)
				}
			}
		})
	}
	for i := 0; i < 60 || by1.Load() < 20 || by2.Load() < 20; i++ {
		file, want := guard, "1"
		if i%2 == 0 {
			file, want = limit, "2"
		}
		if err := f.Load(t.Context(), file); err != nil {
			t.Fatal(err)
		}
		// Who asks from now on meets the new one.
		if _, by := ask(t, s, "/admin"); by != want {
			t.Errorf("after replacing: judged by filter %q, want %s", by, want)
		}
	}
	stop()
	clients.Wait()
	if served.Load() != allowed.Load() {
		t.Errorf("%d requests were served, %d answered", served.Load(), allowed.Load())
	}
	t.Logf("%d requests by the first filter, %d by the second", by1.Load(), by2.Load())
}

// The committed header is the hook's.
func TestHeader(t *testing.T) {
	f, err := NewFilter(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	have, err := os.ReadFile("../http_request.h")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(have, []byte(f.hook.Header())) {
		t.Error("http_request.h is not what the hook's declaration gives: go run ./docs/examples/httpfilter -header > docs/examples/http_request.h")
	}
}
