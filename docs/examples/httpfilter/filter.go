package main

import (
	"context"
	"net"
	"net/http"
	"sync"

	"github.com/skepdev/skep/embedded"
	"github.com/skepdev/skep/engine"
	"github.com/skepdev/skep/object"
)

// Request is what a filter sees of a request. Programs write what is rw.
type Request struct {
	Client [16]byte      // address; IPv4 as ::ffff:a.b.c.d
	Path   embedded.Data // path and path_end
	Length int64         // of the body in bytes, -1 if unknown
	Status uint32        `skep:"status,rw"` // of the answer, if the filter denies
	Filter uint32        `skep:"filter,rw"` // which one judged; the answer's X-Filter
}

// Results of a filter.
const (
	deny  = 0
	allow = 1
)

// hook declares where filters run, and what they may call.
func hook(eng *embedded.Engine) (*embedded.Hook[Request], error) {
	return embedded.NewHook[Request](eng, "http/request", embedded.HookConfig{
		Context: "http_request",
		Results: []embedded.Result{{Name: "HTTP_DENY", Value: deny}, {Name: "HTTP_ALLOW", Value: allow}},
		Helpers: []embedded.Helper{{
			Proto: "long http_header(struct http_request *ctx, const char *name__str, char *value, __u32 value__sz)",
			Func:  header,
		}},
		MaxInstructions: 1 << 20,
	})
}

// header copies a header's value and returns its length, or -1 if the request has
// no such header.
func header(c *embedded.Call) int64 {
	r := c.Value().(*http.Request)
	values := r.Header[http.CanonicalHeaderKey(string(c.Bytes(1)))]
	if len(values) == 0 {
		return -1
	}
	copy(c.Bytes(2), values[0])
	return int64(len(values[0]))
}

// Filter guards a handler with an eBPF program that can be replaced while it
// serves.
type Filter struct {
	eng  *embedded.Engine
	hook *embedded.Hook[Request]
	next http.Handler

	mu   sync.Mutex // of what follows: requests do not take it
	link engine.Link
	coll *engine.Collection
}

// NewFilter makes a filter in front of next. Until there is a program nothing
// passes.
func NewFilter(next http.Handler) (*Filter, error) {
	eng, err := embedded.New(embedded.Config{MaxMemory: 64 << 20})
	if err != nil {
		return nil, err
	}
	h, err := hook(eng)
	if err != nil {
		eng.Close()
		return nil, err
	}
	return &Filter{eng: eng, hook: h, next: next}, nil
}

// Load puts a program in the place of the one before: each request meets the one
// or the other. If it cannot be loaded, the one before stays.
func (f *Filter) Load(ctx context.Context, file string) error {
	spec, err := object.OpenFile(file, nil)
	if err != nil {
		return err
	}
	coll, err := f.eng.Load(ctx, spec, nil)
	if err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	prog, err := coll.Program("")
	if err == nil && f.link == nil {
		f.link, err = f.eng.Attach(prog, f.hook.Target())
	} else if err == nil {
		err = f.link.Update(prog)
	}
	if err != nil {
		coll.Close()
		return err
	}
	f.coll.Close() // requests that it judges now are judged by it
	f.coll = coll
	return nil
}

// ServeHTTP asks the program, and denies where it could not tell.
func (f *Filter) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	req := Request{Length: r.ContentLength, Status: http.StatusForbidden}
	host, _, _ := net.SplitHostPort(r.RemoteAddr)
	copy(req.Client[:], net.ParseIP(host).To16())
	verdict, ran, err := f.hook.Fire(r.Context(), &embedded.Event[Request]{Context: &req, Bytes: []byte(r.URL.Path), Value: r})
	switch {
	case err != nil:
		http.Error(w, "the filter failed: "+err.Error(), http.StatusInternalServerError)
	case !ran:
		http.Error(w, "there is no filter", http.StatusServiceUnavailable)
	case verdict == deny:
		w.Header().Set("X-Filter", number(req.Filter))
		http.Error(w, http.StatusText(int(req.Status)), int(req.Status))
	default:
		w.Header().Set("X-Filter", number(req.Filter))
		f.next.ServeHTTP(w, r)
	}
}

// Close ends the filter; nothing passes any more.
func (f *Filter) Close() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.link != nil {
		f.link.Close()
	}
	f.coll.Close()
	return f.eng.Close()
}
